/** What a log on the disk holds, in the core's terms. */
import { FileFailed } from "../ports/files.ts";
import { StartFailed } from "../protocol/errors.ts";
import type { LogSummary, MembershipAt, TermRun } from "./core/mod.ts";
import type { Wal, WalEntry } from "./log/mod.ts";
import type { Snapshot } from "./snapshots/mod.ts";
import { entryFrom } from "./wire/mod.ts";

const MEMBERSHIP = 3;
const IDENTITY = 4;

/** Throws StartFailed when an entry that has to be read cannot be decrypted, FileFailed. */
export function summarize(wal: Wal, snapshot: Snapshot | undefined): LogSummary {
  const runs: TermRun[] = [];
  const memberships: MembershipAt[] = [];
  let identityIndex = 0;
  let identityInLog = "";
  for (let index = wal.baseIndex + 1; index <= wal.lastIndex; index++) {
    const term = wal.term(index)!;
    if (runs.length === 0 || runs[runs.length - 1]!.term !== term) runs.push({ from: index, term });
    const kind = wal.kind(index);
    if (kind !== MEMBERSHIP && kind !== IDENTITY) continue;
    const stored = readEntry(wal, index);
    const entry = entryFrom(stored.kind, index, term, stored.payload);
    if (entry.kind === "membership") memberships.push({ index, membership: entry.membership });
    else if (entry.kind === "identity") {
      identityIndex = index;
      identityInLog = entry.identity;
    }
  }
  return {
    baseIndex: wal.baseIndex,
    baseTerm: wal.baseTerm,
    lastIndex: wal.lastIndex,
    runs,
    memberships,
    snapshot: snapshot?.mark,
    identityIndex,
    identityInLog,
    commit: Math.min(wal.commitHint, wal.lastIndex),
  };
}

function readEntry(wal: Wal, index: number): WalEntry {
  try {
    return wal.read(index, index + 1, 0)[0]!;
  } catch (cause) {
    if (cause instanceof FileFailed) throw cause;
    const text = `cluster log ${wal.directory}: entry ${index} cannot be decrypted: ${(cause as Error).message}`;
    throw new StartFailed(text, 1, { cause });
  }
}
