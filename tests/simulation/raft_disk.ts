/**
 * A simulated disk for one Raft node. Fault model: writes are done in order and each takes its time. A crash loses any
 * part of what was not done: of the hard states that were under way any one may have reached the disk; of the log's
 * writes a beginning, whose last write may be torn after any entry. Snapshots, once kept, stay.
 */
import type { HardState, SnapshotMark } from "../../src/raft/core/mod.ts";
import { LogImage, type LogWrite } from "./raft_log_image.ts";
import type { SeededRandom } from "./seeded_random.ts";

/** A snapshot on disk: the mark that the core knows, and the state machine's state. */
export interface SnapshotFile {
  readonly mark: SnapshotMark;
  readonly digest: number;
}

interface PendingWrite {
  readonly ticket: number;
  readonly hardState: HardState | undefined;
  readonly log: LogWrite;
}

/** How many snapshots are kept. */
const SNAPSHOTS_KEPT = 2;

export class RaftDisk {
  incarnation: string;
  identity = "";
  /** Grows when the disk goes back in time: what was promised since may be broken then. */
  epoch = 0;
  hardState: HardState = { term: 0, vote: "" };
  /** What is durable. */
  log = new LogImage();
  /** What will be, once every write is done. */
  written = new LogImage();
  /** Newest last. */
  snapshots: SnapshotFile[] = [];
  /** The state machine's own disk: it may be ahead of the snapshot, never of the log. */
  machine: SnapshotFile | undefined;
  /** The disk lost entries that it had called durable, and nobody has checked the rest since (P12). */
  distrusted = false;
  #pending: PendingWrite[] = [];

  constructor(incarnation: string) {
    this.incarnation = incarnation;
  }

  get snapshot(): SnapshotFile | undefined {
    return this.snapshots.at(-1);
  }

  write(write: PendingWrite): void {
    this.written.apply(write.log);
    this.#pending.push(write);
  }

  /** Writes up to `ticket` are durable. */
  done(ticket: number): void {
    while (this.#pending.length > 0 && this.#pending[0]!.ticket <= ticket) {
      const { hardState, log } = this.#pending.shift()!;
      if (hardState !== undefined) this.hardState = hardState;
      this.log.apply(log);
    }
  }

  keep(snapshot: SnapshotFile): void {
    this.snapshots.push(snapshot);
    this.snapshots.sort((a, b) => a.mark.index - b.mark.index);
    if (this.snapshots.length > SNAPSHOTS_KEPT) this.snapshots.shift();
  }

  /** Power fails: of what was not durable an arbitrary part is lost. */
  crash(random: SeededRandom): void {
    const survivors = random.below(this.#pending.length + 1);
    const hardStates = this.#pending.filter((write) => write.hardState !== undefined);
    const survivor = random.below(hardStates.length + 1);
    if (survivor > 0) this.hardState = hardStates[survivor - 1]!.hardState!;
    this.#pending.forEach(({ log }, i) => {
      if (i < survivors) this.log.apply(log);
      else if (i === survivors && log.restartLogAt === undefined && log.entries.length > 0) {
        this.log.apply(log, random.below(log.entries.length));
      }
    });
    this.#pending = [];
    this.recover();
  }

  /** What is durable, as a backup of it. */
  copy(): RaftDisk {
    const copy = new RaftDisk(this.incarnation);
    const { identity, hardState, machine, distrusted, epoch } = this;
    Object.assign(copy, { identity, hardState, machine, distrusted, epoch, snapshots: this.snapshots.slice() });
    copy.log = this.log.copy();
    copy.recover();
    return copy;
  }

  /** After a crash of the machine, without a sync at every write: the end of the log is gone as well. */
  loseEnd(count: number): void {
    const kept = Math.max(this.log.baseIndex, this.snapshot?.mark.index ?? 0, this.log.lastIndex - count);
    this.log.entries.length = kept - this.log.baseIndex;
    this.log.commit = Math.min(this.log.commit, kept);
    if ((this.machine?.mark.index ?? 0) > kept) this.machine = undefined;
    this.distrusted = true;
    this.recover();
  }

  /** As a node does at its start: a log that does not hold the snapshot's last entry starts afresh behind it. */
  recover(): void {
    const mark = this.snapshot?.mark;
    if (mark !== undefined && this.log.baseIndex < mark.index && this.log.termAt(mark.index) !== mark.term) {
      this.log.restartAt(mark.index, mark.term);
    }
    const applied = this.machine?.mark.index ?? 0;
    if (applied < (mark?.index ?? 0) || applied > this.log.lastIndex) this.machine = undefined;
    this.written = this.log.copy();
  }
}
