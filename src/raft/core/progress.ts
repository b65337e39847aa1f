/**
 * What a leader knows of one other member (L5).
 *
 *     probe      one append under way at a time, until one is accepted
 *     replicate  appends follow one another, within a window of messages and bytes
 *     snapshot   nothing is sent until the snapshot that was announced is installed
 *
 * Always `0 ≤ match < next`.
 */
import { assert } from "./assert.ts";
import type { Member, NodeId } from "./membership.ts";
import { type DiskState, type Entry, entryBytes, type SnapshotMark } from "./messages.ts";
import type { RaftLimits } from "./options.ts";

/** Catching up in rounds: each ends when the learner holds what the leader held when the round began (M3). */
export interface Round {
  readonly count: number;
  readonly target: number;
  readonly startedAt: number;
}

export class Progress {
  readonly id: NodeId;
  /** As the membership has it; empty while unbound. */
  incarnation: string;
  voter: boolean;
  match = 0;
  /** What it had acknowledged and has lost, until it knows that itself; else 0. */
  lost = 0;
  next: number;
  state: "probe" | "replicate" | "snapshot" = "probe";
  /** An append is under way in state probe... */
  probing = false;
  /** ...since this round of heartbeats. */
  #probedIn = 0;
  /** The last round of heartbeats that was sent to it. */
  sentRound = 0;
  /** Entries for it were asked back from disk. */
  fetching = false;
  announced: SnapshotMark | undefined;
  announcedAt = 0;
  /** It could not install what was announced: something newer is next. */
  installFailed = false;

  /** The tick at which it was last heard, or at which this leader began. */
  contact: number;
  /** It was heard since this leader began. */
  heard = false;
  /** The newest heartbeat round it answered, and the tick at which that round was sent (Q1, Q2). */
  round = 0;
  answeredSentAt = -Infinity;
  disk: DiskState = "ok";
  /** What it has applied as far as it told; -1 before that. */
  applied = -1;
  /** The append with which it last began to follow without interruption: the lower, the longer it has been there. */
  steadySince = 0;
  /** Whoever last spoke under its name while it was unbound. */
  heardIncarnation = "";
  /** The commit index that was last sent to it. */
  sentCommit = 0;
  /** `match` at its previous heartbeat reply: no progress since then means that something was lost. */
  matchAtHeartbeat = -1;
  /** Only of a learner. */
  learning: Round | undefined;
  /** A learner's last round was a quick one. */
  caughtUp = false;
  /** It must not be promoted before this tick: it was too slow. */
  notBefore = 0;

  /** What it asked last, as long as it did not trust its log. */
  ask = 0;
  /** Of the last append sent, and of the last one sent before `match` was learned. */
  sequence = 0;
  #sequenceAtMatch = 0;
  readonly #limits: RaftLimits;
  #lastOf: number[] = [];
  #bytesOf: number[] = [];
  #bytes = 0;

  constructor(member: Member, next: number, now: number, limits: RaftLimits) {
    this.id = member.id;
    this.incarnation = member.incarnation;
    this.voter = member.voter;
    this.next = next;
    this.contact = now;
    this.#limits = limits;
  }

  /** Bytes and messages that were sent and not acknowledged. */
  get bytesUnderWay(): number {
    return this.#bytes;
  }

  get messagesUnderWay(): number {
    return this.#lastOf.length;
  }

  /** Nothing may be sent now. */
  get paused(): boolean {
    if (this.state === "snapshot" || this.fetching) return true;
    if (this.state === "probe") return this.probing;
    return this.#lastOf.length >= this.#limits.windowMessages || this.#bytes >= this.#limits.windowBytes;
  }

  /** Notes that `entries` (perhaps none) were sent. */
  sent(entries: readonly Entry[], commit: number): void {
    this.sentCommit = commit;
    if (this.state === "probe") {
      this.probing = true;
      this.#probedIn = this.sentRound;
      return;
    }
    if (entries.length === 0) return;
    let bytes = 0;
    for (const entry of entries) bytes += entryBytes(entry);
    this.next = entries.at(-1)!.index + 1;
    this.#lastOf.push(this.next - 1);
    this.#bytesOf.push(bytes);
    this.#bytes += bytes;
  }

  /** It holds everything up to `match` durably. Says whether that is news. */
  accepted(match: number): boolean {
    while (this.#lastOf.length > 0 && this.#lastOf[0]! <= match) {
      this.#lastOf.shift();
      this.#bytes -= this.#bytesOf.shift()!;
    }
    const news = match > this.match;
    if (news) {
      this.match = match;
      this.#sequenceAtMatch = this.sequence;
      if (match >= this.lost) this.lost = 0;
    }
    // Who has to hear of a loss says by this what is left, not that it has heard.
    const isToHear = this.lost > 0 && this.probing;
    if (this.state === "probe" && !isToHear) this.#replicate();
    else if (this.state === "snapshot" && match >= this.announced!.index) this.#replicate();
    this.next = Math.max(this.next, this.match + 1);
    return news;
  }

  /** It answered a heartbeat: an append that was sent before, and was not answered since, is lost (L5). */
  answered(round: number): void {
    if (this.state === "probe" && round > this.#probedIn) this.probing = false;
  }

  /** Goes on from `next`, carefully. */
  probe(next: number): void {
    this.state = "probe";
    this.probing = false;
    this.announced = undefined;
    this.next = Math.max(next, this.match + 1);
    this.#lastOf = [];
    this.#bytesOf = [];
    this.#bytes = 0;
  }

  /** Whether the refusal of the append `sequence` was given when everything up to `match` had been acknowledged before. */
  isAfterMatch(sequence: number): boolean {
    return sequence > this.#sequenceAtMatch;
  }

  /** It lost entries that it had acknowledged; what is committed stays so. */
  forget(match: number): void {
    assert(match < this.match, "only a lower match is forgotten");
    this.match = match;
    this.probe(match + 1);
  }

  /** As {@link forget}, and it does not know that: it gets nothing before it has heard a heartbeat, which tells it. */
  forgetUnnoticed(match: number): void {
    this.lost = Math.max(this.lost, this.match);
    this.forget(match);
    this.probing = true;
    this.#probedIn = this.sentRound;
  }

  /** Waits for `snapshot` to be installed. */
  announce(snapshot: SnapshotMark, now: number): void {
    this.probe(snapshot.index + 1);
    this.state = "snapshot";
    this.announced = snapshot;
    this.announcedAt = now;
    this.installFailed = false;
  }

  #replicate(): void {
    this.state = "replicate";
    this.steadySince = this.sequence;
    this.probing = false;
    this.announced = undefined;
    this.next = this.match + 1;
  }
}
