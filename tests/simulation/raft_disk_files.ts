/**
 * What rot does to a node's disk: the simulated disk is written out as the files of the product, one bit of them turns,
 * and the product's own code says what is left. What it takes for sound has to be what was written.
 */
import type { Entry } from "../../src/raft/core/mod.ts";
import { HardStateFile, Wal, type WalEntry } from "../../src/raft/log/mod.ts";
import { openNodeFiles } from "../../src/raft/node_files.ts";
import { checkOptions } from "../../src/raft/options.ts";
import { identityBytes } from "../../src/raft/raft_directory.ts";
import { encodeSnapshot } from "../../src/raft/snapshots/snapshots.ts";
import { entryKind, entryPayload } from "../../src/raft/wire/mod.ts";
import { MemoryFiles } from "../support/memory_files.ts";
import type { RaftDisk, SnapshotFile } from "./raft_disk.ts";
import type { SeededRandom } from "./seeded_random.ts";
import { Violation } from "./simulation.ts";

const CLUSTER = "sim";
const DIRECTORY = "/raft";

/** What opens a node's files; a test of the simulator puts something else in its place. */
export type OpenFiles = typeof openNodeFiles;

/**
 * Turns one bit of a disk that nobody uses at the moment. Answers `false` when its node notices at its start that it
 * cannot go on with that; else the disk is as the node reads it.
 */
export function rot(disk: RaftDisk, random: SeededRandom, open: OpenFiles = openNodeFiles): boolean {
  const segmentBytes = random.pick([256, 600, 8_192]);
  const options = checkOptions({
    ...{ clusterId: CLUSTER, nodeId: "n", store: { recovered: false, nodeId: "" } },
    ...{ segmentBytes, logCacheSize: 0, logSnapshots: 2 },
  });
  const files = new MemoryFiles();
  writeFiles(disk, files, segmentBytes, random);
  const { path, size } = random.pick(files.tree(DIRECTORY).filter((file) => file.size > 0));
  // Most of the file with the vote is empty between its two copies.
  files.rot(path, path.endsWith("/vote") ? random.pick([0, 4_096]) + random.below(48) : random.below(size));
  const expected = { identity: identityBytes(disk.identity), log: disk.identity !== "" };
  try {
    const found = open(files, DIRECTORY, options, expected, () => {});
    compareVotes(disk, found.vote);
    compareLogs(disk, found.wal);
    disk.snapshots = disk.snapshots.filter(({ mark }) =>
      found.found.some((each) => each.mark.index === mark.index && each.mark.term === mark.term)
    );
    return true;
  } catch (error) {
    if ((error as Error).name === "Ailing") return false;
    throw error;
  }
}

function writeFiles(disk: RaftDisk, files: MemoryFiles, segmentBytes: number, random: SeededRandom): void {
  const { hardState, log, identity } = disk;
  files.makeDirectory(`${DIRECTORY}/snapshots`);
  const vote = new HardStateFile(files, `${DIRECTORY}/vote`);
  vote.save(hardState);
  vote.close();
  const wal = new Wal(files, `${DIRECTORY}/log`, { identity: identityBytes(identity), segmentBytes });
  if (log.baseIndex > 0) wal.restart(log.baseIndex, log.baseTerm);
  for (let at = 0; at < log.entries.length;) {
    const count = random.between(1, 8);
    wal.append(log.entries.slice(at, at + count).map(storedForm));
    wal.syncNow();
    at += count;
  }
  wal.mark(log.commit);
  wal.close();
  for (const file of disk.snapshots) {
    const { index, term } = file.mark;
    const to = files.open(`${DIRECTORY}/snapshots/${term}-${index}.snapshot`, { mode: "new" });
    to.writeAt(encodeSnapshot(CLUSTER, { mark: file.mark, state: stateOf(file) }), 0);
    to.close();
  }
}

function storedForm(entry: Entry): WalEntry {
  return { index: entry.index, term: entry.term, kind: entryKind(entry), payload: entryPayload(entry) };
}

function stateOf({ digest }: SnapshotFile): Uint8Array {
  return new Uint8Array(new Uint32Array([digest]).buffer);
}

function compareVotes({ hardState }: RaftDisk, { state }: HardStateFile): void {
  if (state.term === hardState.term && state.vote === hardState.vote) return;
  const was = `${hardState.vote} in term ${hardState.term}`;
  throw new Violation(
    "P3 damage is noticed",
    `a vote for ${was} is read as one for ${state.vote} in term ${state.term}`,
  );
}

/** Entries that were synced are there, or the log says that it is damaged. */
function compareLogs({ log }: RaftDisk, wal: Wal): void {
  const { baseIndex, lastIndex, baseTerm } = log;
  if (wal.baseIndex !== baseIndex || wal.lastIndex !== lastIndex || (baseIndex > 0 && wal.baseTerm !== baseTerm)) {
    const read = `(${wal.baseIndex}, ${wal.lastIndex}]`;
    throw new Violation("P3 damage is noticed", `the log (${baseIndex}, ${lastIndex}] is read as ${read}`);
  }
  for (const entry of log.entries) {
    const { term, kind, payload } = storedForm(entry);
    const read = wal.read(entry.index, entry.index + 1, 1)[0]!;
    const same = read.term === term && read.kind === kind && read.payload.length === payload.length &&
      read.payload.every((byte, i) => byte === payload[i]);
    if (!same) throw new Violation("P3 damage is noticed", `entry ${entry.index} of a rotten log is read as another`);
  }
}
