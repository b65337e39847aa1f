/**
 * A node's vote, snapshots and log, opened together and held against each other: either they are one sound state, or it
 * is said what ails them (spec clustering, section 11.7, P3: neither cut nor vote with it).
 */
import { FileFailed, type Files } from "../ports/files.ts";
import { Malformed } from "../protocol/varint.ts";
import { HardStateFile, Wal } from "./log/mod.ts";
import type { CheckedOptions } from "./options.ts";
import { type Snapshot, Snapshots } from "./snapshots/mod.ts";

/** What is wrong with a node's files: `text` names the file and, where there is one, the offset. */
export class Ailing extends Error {
  override readonly name = "Ailing";
}

export interface NodeFiles {
  readonly vote: HardStateFile;
  readonly snapshots: Snapshots;
  /** Sound snapshots, newest first. */
  readonly found: readonly Snapshot[];
  readonly wal: Wal;
}

export interface Expected {
  /** 16 bytes; zeros when unknown. */
  readonly identity: Uint8Array;
  /** Whether there must be a log, or a snapshot in its place. */
  readonly log: boolean;
}

/** Opens what is in `directory`, made when missing. Throws Ailing; FileFailed when it cannot even be looked at. */
export function openNodeFiles(
  files: Files,
  directory: string,
  options: CheckedOptions,
  expected: Expected,
  say: (line: string) => void,
): NodeFiles {
  if (expected.log && !holdsLog(files, directory) && !holdsSnapshot(files, directory)) {
    throw new Ailing(`cluster log ${directory}/log is empty, although this node is a member of a cluster`);
  }
  if (!files.exists(`${directory}/vote`) && holdsLog(files, directory)) {
    throw new Ailing(`${directory}/vote, which holds term and vote, is missing`);
  }
  const vote = judged(() => new HardStateFile(files, `${directory}/vote`));
  let wal: Wal | undefined;
  try {
    const { clusterId, logSnapshots: keep, seal } = options;
    const snapshots = new Snapshots(files, `${directory}/snapshots`, { clusterId, keep, seal });
    const found = snapshots.sound(say);
    const { identity } = expected;
    const { logCacheSize: cacheEntries, segmentBytes } = options;
    wal = judged(() => new Wal(files, `${directory}/log`, { identity, cacheEntries, segmentBytes, seal }));
    compare(wal, found[0], directory);
    return { vote, snapshots, found, wal };
  } catch (error) {
    vote.close();
    wal?.close();
    throw error;
  }
}

/** Whether a log with anything in it is there. */
export function holdsLog(files: Files, directory: string): boolean {
  const log = `${directory}/log`;
  return files.exists(log) && files.list(log).some((entry) => entry.name.endsWith(".wal"));
}

function holdsSnapshot(files: Files, directory: string): boolean {
  const snapshots = `${directory}/snapshots`;
  return files.exists(snapshots) && files.list(snapshots).some((entry) => entry.name.endsWith(".snapshot"));
}

function compare(wal: Wal, snapshot: Snapshot | undefined, directory: string): void {
  if (wal.damage !== undefined) {
    const { path, offset, reason } = wal.damage;
    throw new Ailing(`cluster log ${path} is damaged at offset ${offset}: ${reason}`);
  }
  const behind = snapshot?.mark.index ?? 0;
  if (wal.baseIndex > behind) {
    throw new Ailing(
      `cluster log ${wal.directory} begins after entry ${wal.baseIndex}, but no snapshot up to there can be read in ` +
        `${directory}/snapshots`,
    );
  }
  if (wal.lastIndex < wal.commitHint && wal.lastIndex < behind) {
    throw new Ailing(
      `cluster log ${wal.directory} ends at entry ${wal.lastIndex} although entry ${wal.commitHint} was committed`,
    );
  }
}

/** What can be read but makes no sense, or cannot be read though it is there, is damage; a missing right is not. */
function judged<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof FileFailed && error.code === "other") throw new Ailing(error.message, { cause: error });
    if (error instanceof Malformed) throw new Ailing(error.message, { cause: error });
    throw error;
  }
}
