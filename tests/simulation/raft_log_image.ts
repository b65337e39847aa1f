/** The entries of a log as they stand on a simulated disk, or will once every write is done. */
import type { Entry, LogSummary, MembershipAt, SnapshotMark, TermRun } from "../../src/raft/core/mod.ts";

/** One write to the log: in this order. */
export interface LogWrite {
  readonly restartLogAt: { readonly index: number; readonly term: number } | undefined;
  readonly entries: readonly Entry[];
  readonly cutThrough: number;
  readonly commit: number;
}

export class LogImage {
  baseIndex = 0;
  baseTerm = 0;
  entries: Entry[] = [];
  /** The highest commit index noted. */
  commit = 0;

  get lastIndex(): number {
    return this.baseIndex + this.entries.length;
  }

  at(index: number): Entry | undefined {
    return this.entries[index - this.baseIndex - 1];
  }

  termAt(index: number): number | undefined {
    return index === this.baseIndex ? this.baseTerm : this.at(index)?.term;
  }

  copy(): LogImage {
    const image = new LogImage();
    image.baseIndex = this.baseIndex;
    image.baseTerm = this.baseTerm;
    image.entries = this.entries.slice();
    image.commit = this.commit;
    return image;
  }

  /** Applies `write`, of its entries only the first `count`. */
  apply(write: LogWrite, count: number = write.entries.length): void {
    if (write.restartLogAt !== undefined) this.restartAt(write.restartLogAt.index, write.restartLogAt.term);
    const first = write.entries[0];
    if (first !== undefined) {
      this.entries.length = Math.min(this.entries.length, first.index - this.baseIndex - 1);
      for (let i = 0; i < count; i++) this.entries.push(write.entries[i]!);
    }
    if (count < write.entries.length) return;
    this.cutThrough(write.cutThrough);
    this.commit = Math.max(this.commit, Math.min(write.commit, this.lastIndex));
  }

  restartAt(index: number, term: number): void {
    this.baseIndex = index;
    this.baseTerm = term;
    this.entries = [];
    this.commit = Math.max(this.commit, index);
  }

  cutThrough(index: number): void {
    if (index <= this.baseIndex) return;
    const term = this.termAt(index)!;
    this.entries = this.entries.slice(index - this.baseIndex);
    this.baseIndex = index;
    this.baseTerm = term;
  }

  /** What a node that starts tells its core about this log. */
  summary(snapshot: SnapshotMark | undefined): LogSummary {
    const runs: TermRun[] = [];
    const memberships: MembershipAt[] = [];
    let identityIndex = 0;
    let identityInLog = "";
    for (const entry of this.entries) {
      if (runs.at(-1)?.term !== entry.term) runs.push({ from: entry.index, term: entry.term });
      if (entry.kind === "membership") memberships.push({ index: entry.index, membership: entry.membership });
      if (entry.kind === "identity") {
        identityIndex = entry.index;
        identityInLog = entry.identity;
      }
    }
    const { baseIndex, baseTerm, lastIndex, commit } = this;
    return { baseIndex, baseTerm, lastIndex, runs, memberships, snapshot, identityIndex, identityInLog, commit };
  }
}
