/**
 * What the store of a new leader holds beyond all that is agreed upon: messages that were agreed upon once, by logs that
 * have lost their ends since, because power was lost without syncing or older logs were put back. They are agreed upon
 * again, so that nothing acknowledged is lost and all nodes hold the same (spec clustering, section 11.7, P8 and P12).
 */
import type { Clock } from "../ports/clock.ts";
import { type Journal, NotAgreed } from "../ports/journal.ts";
import type { Log } from "../ports/log.ts";
import { type MessageLog, StoreFailed } from "../ports/store.ts";
import type { Operation, Publish } from "../protocol/operations.ts";
import { isRefusal } from "../protocol/outcomes.ts";
import type { Millis, Nanos, Sequence } from "../protocol/units.ts";
import type { Machine } from "../streaming/mod.ts";
import type { Recorder } from "./recorder.ts";
import { packStored, splitStored } from "./stored_form.ts";

export interface ReclaimingParts {
  readonly machine: Machine;
  readonly recorder: Recorder;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
}

/** Bytes of messages that are proposed at a time. */
const BATCH = 256 * 1024;
const RETRY: Millis = 1000;

/** Has the channels' messages agreed upon again; answers when that is done. `stopped`: this server does not lead any more. */
export async function reclaim(names: readonly string[], parts: ReclaimingParts, stopped: () => boolean): Promise<void> {
  const { machine, recorder, log } = parts;
  for (const name of names) {
    const messages = recorder.channels.get(name)?.messages;
    if (messages === undefined) continue;
    const known = machine.state.channels.get(name);
    const from = (known?.last ?? 0) + 1;
    const { first, last } = messages;
    const what = `channel ${JSON.stringify(name)}: messages ${Math.max(from, first)} to ${last} are in the store, but `;
    if (messages.count === 0 || first > from) {
      log.error(`${what}neither in the log nor are those before them: their numbers are given to the next ones`);
      continue;
    }
    log.warn(`${what}not in the log, which must have lost its end: they are agreed upon again`);
    if (known === undefined && !await agree([{ kind: "create channel", channel: name }], parts, stopped)) continue;
    await reclaimFrom(name, from, messages, parts, stopped);
  }
}

async function reclaimFrom(
  channel: string,
  from: Sequence,
  messages: MessageLog,
  parts: ReclaimingParts,
  stopped: () => boolean,
): Promise<void> {
  const { last } = messages;
  for (let next = from; next <= last && !stopped();) {
    const batch = new Batch(channel, next);
    try {
      await messages.read(next, last, BATCH, (...message) => batch.add(...message));
    } catch (error) {
      if (!(error instanceof StoreFailed && error.code === "corrupt")) throw error;
      parts.log.error(`channel ${JSON.stringify(channel)}: messages from ${next} on cannot be read: ${error.message}`);
    }
    if (batch.next === next || !await agree(batch.publishes, parts, stopped)) return;
    next = batch.next;
  }
}

/** Stored messages as they were published, but for who did: those of one time together. */
class Batch {
  readonly #groups: { readonly time: Nanos; readonly parts: Uint8Array[] }[] = [];

  constructor(readonly channel: string, public next: Sequence) {}

  /** `false` for a message that does not follow on the last one. */
  add(sequence: Sequence, buffer: Uint8Array, start: number, end: number): boolean {
    if (sequence !== this.next) return false;
    const { timestamp, fieldsStart, fieldsEnd } = splitStored(buffer, start, end);
    const fields = buffer.slice(fieldsStart, fieldsEnd);
    const group = this.#groups.at(-1);
    if (group?.time === timestamp) group.parts.push(fields);
    else this.#groups.push({ time: timestamp, parts: [fields] });
    this.next++;
    return true;
  }

  get publishes(): Publish[] {
    const { channel } = this;
    return this.#groups.map(({ time, parts }) => ({ kind: "publish", channel, time, messages: packStored(parts) }));
  }
}

/** Whether all of them took effect. While there is no room for them they are tried again: what comes next would take their numbers. */
async function agree(
  operations: readonly Operation[],
  { journal, clock, log }: ReclaimingParts,
  stopped: () => boolean,
): Promise<boolean> {
  while (!stopped()) {
    try {
      const refusal = (await journal.commit(operations)).find(isRefusal);
      if (refusal !== undefined) log.error(`they are not: ${refusal.text}`);
      return refusal === undefined;
    } catch (error) {
      if (!(error instanceof NotAgreed)) throw error;
      if (error.code !== "store") return false;
      log.error(`they are not yet: ${error.message}`);
      await new Promise<void>((resolve) => clock.wakeAt(clock.now() + RETRY, resolve));
    }
  }
  return false;
}
