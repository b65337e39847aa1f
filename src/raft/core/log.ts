/**
 * The log as the core sees it: terms of all entries, the recent entries themselves, and how far things are.
 *
 *     base ≤ applied ≤ handedOut ≤ commit ≤ last, base ≤ durable ≤ written ≤ last
 *
 * `base` is the last entry that was cut away. What is durable is told in tickets: a write that was overtaken by a
 * truncation counts only for the part that was left (C3).
 */
import { assert } from "./assert.ts";
import { EntryCache } from "./entry_cache.ts";
import { isUpToDate } from "./log_end.ts";
import { memberOf, type MembershipAt, NO_MEMBERS, type NodeId } from "./membership.ts";
import type { Entry, SnapshotMark } from "./messages.ts";
import type { LogSummary, TermRun } from "./options.ts";
import type { Ticket } from "./ready.ts";

export class RaftLog {
  baseIndex: number;
  baseTerm: number;
  lastIndex: number;
  commit: number;
  handedOut: number;
  applied: number;
  /** Handed out to be written. */
  written: number;
  durable: number;
  /** The index of the identity entry in this log, 0 when there is none or it is cut away. */
  identityIndex: number;
  identityInLog: string;
  snapshot: SnapshotMark | undefined;
  readonly cache: EntryCache;
  #runs: TermRun[];
  /** Ascending; the last is in effect. */
  #memberships: MembershipAt[];
  #writes: { readonly ticket: Ticket; last: number }[] = [];

  constructor(summary: LogSummary, founders: MembershipAt, applied: number) {
    const { snapshot } = summary;
    this.baseIndex = summary.baseIndex;
    this.baseTerm = summary.baseTerm;
    this.lastIndex = summary.lastIndex;
    this.written = this.durable = summary.lastIndex;
    this.snapshot = snapshot;
    this.#runs = summary.runs.slice();
    const before = snapshot === undefined ? founders : snapshot.membership;
    const known = [before, ...summary.memberships.filter((each) => each.index !== before.index)];
    this.#memberships = known.sort((a, b) => a.index - b.index);
    this.identityIndex = summary.identityIndex;
    this.identityInLog = summary.identityInLog;
    this.commit = Math.max(summary.commit, snapshot?.index ?? 0, applied);
    this.applied = this.handedOut = Math.max(applied, snapshot?.index ?? 0);
    this.cache = new EntryCache(this.lastIndex + 1);
    assert(this.lastIndex >= this.baseIndex, `the log ends at ${this.lastIndex}, before its base ${this.baseIndex}`);
    assert(
      this.commit <= this.lastIndex,
      `the log ends at ${this.lastIndex}, but ${this.commit} was committed`,
    );
    assert(
      this.lastIndex === this.baseIndex ? this.#runs.length === 0 : this.#runs[0]?.from === this.baseIndex + 1,
      "the terms of a log start behind its base",
    );
  }

  get lastTerm(): number {
    return this.#runs.at(-1)?.term ?? this.baseTerm;
  }

  /** The membership in effect: the last in the log, committed or not (M1). */
  get membership(): MembershipAt {
    return this.#memberships.at(-1) ?? { index: 0, membership: NO_MEMBERS };
  }

  /** The last membership whose entry is committed. */
  get committedMembership(): MembershipAt {
    for (let i = this.#memberships.length - 1; i > 0; i--) {
      if (this.#memberships[i]!.index <= this.commit) return this.#memberships[i]!;
    }
    return this.#memberships[0]!;
  }

  /** The last membership before the one in effect that is known. */
  get previousMembership(): MembershipAt | undefined {
    return this.#memberships.at(-2);
  }

  /** Whether a membership in this log, perhaps an older one, has the member `id` in this incarnation. */
  hasBound(id: NodeId, incarnation: string): boolean {
    return this.#memberships.some((each) => memberOf(each.membership, id)?.incarnation === incarnation);
  }

  /** The term of the entry at `index`; `undefined` below the base and above the end. */
  termAt(index: number): number | undefined {
    if (index === this.baseIndex) return this.baseTerm;
    if (index < this.baseIndex || index > this.lastIndex) return undefined;
    return this.#runs[this.#runAt(index)]!.term;
  }

  /** The first index, above the base, of the run of equal terms that `index` is in. `index` is above the base. */
  firstOfRun(index: number): number {
    return this.#runs[this.#runAt(index)]!.from;
  }

  /** The last index up to `limit` whose entry has at most `term`: at least the base. */
  lastWithTermAtMost(term: number, limit: number): number {
    let index = Math.min(limit, this.lastIndex);
    while (index > this.baseIndex && this.termAt(index)! > term) index = this.firstOfRun(index) - 1;
    return index;
  }

  /** Whether a log that ends with (`index`, `term`) is at least as complete as this one (E3). */
  isUpToDate(index: number, term: number): boolean {
    return isUpToDate({ index, term }, { index: this.lastIndex, term: this.lastTerm });
  }

  append(entry: Entry): void {
    assert(entry.index === this.lastIndex + 1, `entry ${entry.index} comes after ${this.lastIndex}`);
    assert(entry.term >= this.lastTerm, `term ${entry.term} of entry ${entry.index} is below ${this.lastTerm}`);
    if (this.#runs.length === 0 || this.lastTerm !== entry.term) {
      this.#runs.push({ from: entry.index, term: entry.term });
    }
    this.cache.push(entry);
    this.lastIndex = entry.index;
    if (entry.kind === "membership") this.#memberships.push({ index: entry.index, membership: entry.membership });
    if (entry.kind === "identity") {
      this.identityIndex = entry.index;
      this.identityInLog = entry.identity;
    }
  }

  /** Takes back the entries from `index` on: they conflict with the leader's (L4, M4). */
  truncateFrom(index: number): void {
    assert(index > this.commit, `entry ${index} is committed and cannot be taken back`);
    this.cache.dropFrom(index);
    this.lastIndex = index - 1;
    while (this.#runs.length > 0 && this.#runs.at(-1)!.from >= index) this.#runs.pop();
    while (this.#memberships.length > 1 && this.#memberships.at(-1)!.index >= index) this.#memberships.pop();
    if (this.identityIndex >= index) {
      this.identityIndex = 0;
      this.identityInLog = "";
    }
    this.written = Math.min(this.written, index - 1);
    this.durable = Math.min(this.durable, index - 1);
    for (const write of this.#writes) write.last = Math.min(write.last, index - 1);
  }

  /** Entries that are still to be written, and notes that the write with `ticket` takes them. */
  takeUnwritten(ticket: Ticket): readonly Entry[] {
    const entries = this.written < this.lastIndex ? this.cache.slice(this.written + 1, this.lastIndex, Infinity) : [];
    assert(entries !== undefined, `entry ${this.written + 1} is to be written but not in memory`);
    this.written = this.lastIndex;
    this.#writes.push({ ticket, last: this.lastIndex });
    return entries;
  }

  /** Writes up to `ticket` are durable; of entries that are, no more than `keepBytes` stay in memory. Says whether more of the log is. */
  stored(ticket: Ticket, keepBytes = Infinity): boolean {
    const before = this.durable;
    while (this.#writes.length > 0 && this.#writes[0]!.ticket <= ticket) {
      this.durable = Math.max(this.durable, this.#writes.shift()!.last);
    }
    this.shrinkCache(keepBytes);
    return this.durable > before;
  }

  /** Cuts away entries up to `index`, which a durable snapshot covers. */
  cutThrough(index: number): void {
    assert(index <= this.applied, `entry ${index} is not applied and cannot be cut away`);
    if (index <= this.baseIndex) return;
    const term = this.termAt(index);
    assert(term !== undefined, `entry ${index} is beyond the end of the log`);
    while (this.#runs.length > 1 && this.#runs[1]!.from <= index + 1) this.#runs.shift();
    this.baseIndex = index;
    this.baseTerm = term;
    if (this.lastIndex === index) this.#runs = [];
    else this.#runs[0] = { from: index + 1, term: this.#runs[0]!.term };
    while (this.#memberships.length > 1 && this.#memberships[1]!.index <= index) this.#memberships.shift();
    this.cache.dropThrough(Math.max(index, this.cache.first - 1));
  }

  /** Starts afresh behind `snapshot`. */
  restartAt(snapshot: SnapshotMark): void {
    this.snapshot = snapshot;
    this.baseIndex = this.lastIndex = snapshot.index;
    this.baseTerm = snapshot.term;
    this.written = this.durable = snapshot.index;
    this.commit = this.handedOut = this.applied = snapshot.index;
    this.#runs = [];
    this.#memberships = [snapshot.membership];
    this.identityIndex = 0;
    this.identityInLog = "";
    this.cache.clear(snapshot.index + 1);
    for (const write of this.#writes) write.last = snapshot.index;
  }

  /** Forgets recent entries beyond `bytes`, as far as they are durable and handed out. */
  shrinkCache(bytes: number): void {
    const droppable = Math.min(this.durable, this.handedOut);
    while (this.cache.bytes > bytes && this.cache.first <= droppable) this.cache.dropThrough(this.cache.first);
  }

  #runAt(index: number): number {
    let low = 0;
    let high = this.#runs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#runs[middle]!.from <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
