/**
 * Which snapshot a start goes on from, where the store lacks messages that the newest one names (spec clustering, P8): the
 * log behind an older one may still hold them, else other nodes have to. Where there are none, what is lost is told.
 */
import type { Lack } from "../../ports/journal.ts";
import type { Snapshot } from "./snapshots.ts";

export interface SnapshotChoice {
  /** `undefined`: the log is applied from its beginning. */
  readonly snapshot: Snapshot | undefined;
  /** For the start report. */
  readonly disagreed: string;
  readonly done: string;
}

/** More channels are only counted. */
const NAMED = 20;

/**
 * `found`: sound snapshots, newest first, not empty. `baseIndex`: the log begins behind it. `isAlone`: no other node can help.
 * Answers `undefined` where the newest one does, as nothing lacks.
 */
export function chooseSnapshot(
  found: readonly Snapshot[],
  baseIndex: number,
  isAlone: boolean,
  lacking: (state: Uint8Array) => readonly Lack[],
): SnapshotChoice | undefined {
  const newest = found[0]!;
  const lacks = lacking(newest.state);
  if (lacks.length === 0) return undefined;
  const disagreed = `the store lacks messages that snapshot ${newest.mark.index} names: ${named(lacks)}`;
  const usable = found.filter(({ mark }) => mark.index >= baseIndex);
  const snapshot = usable.find(({ state }) => lacking(state).length === 0);
  if (snapshot !== undefined || baseIndex === 0) {
    const from = snapshot === undefined ? "its beginning" : `snapshot ${snapshot.mark.index}`;
    return {
      snapshot,
      disagreed,
      done: `the log is applied again from ${from} on: it still holds what the store lacks`,
    };
  }
  if (!isAlone) {
    const done = "what the store lacks is fetched from other nodes before this one may lead";
    return { snapshot: newest, disagreed, done };
  }
  // The further back, the more of it is still in the log.
  const oldest = usable.at(-1) ?? newest;
  const done = `neither the log nor another node holds what the store lacks, it is lost: ${
    named(lacking(oldest.state))
  }`;
  return { snapshot: oldest, disagreed, done };
}

function rangeOf({ channel, from, to }: Lack): string {
  return `channel ${JSON.stringify(channel)}: ${from === to ? `message ${to}` : `messages ${from} to ${to}`}`;
}

function named(lacks: readonly Lack[]): string {
  const rest = lacks.length > NAMED ? [`and ${lacks.length - NAMED} more channels`] : [];
  return [...lacks.slice(0, NAMED).map(rangeOf), ...rest].join(", ");
}
