/**
 * Fetches what this node lacks from the nodes that have it: snapshots, and the messages that a snapshot names (spec
 * clustering, sections 6.3, 6.4 and 11.6). In answers of bounded size, resumable at any point, from whoever answers.
 */
import type { Clock } from "../../ports/clock.ts";
import type { MessageSink, MessageSource, Replica } from "../../ports/journal.ts";
import type { Log } from "../../ports/log.ts";
import { StoreFailed } from "../../ports/store.ts";
import type { Millis, Sequence } from "../../protocol/units.ts";
import { type BulkRequest, encodeRequest, readAnswer } from "./bulk_format.ts";
import type { ByteReader, Transport } from "../wire/mod.ts";
import type { MembershipAt, SnapshotMark } from "../core/mod.ts";
import { waited } from "../members/mod.ts";
import { DIGEST_BYTES, digestOf } from "./digest.ts";
import { PartialSnapshot } from "./partial.ts";
import { decodeSnapshot, type Snapshot, type Snapshots } from "./snapshots.ts";

export interface BackfillParts {
  readonly transport: Transport;
  readonly snapshots: Pick<Snapshots, "files" | "directory">;
  /** This node's own. */
  readonly replica: Pick<Replica, "readMessages">;
  readonly clock: Clock;
  readonly log: Log;
  readonly clusterId: string;
  readonly nodeId: string;
  /** The members as far as this node knows: before it knows its cluster, those that somebody told it, rightly or not. */
  membership(): MembershipAt;
  /** Empty when unknown. */
  leader(): string;
  identity(): string;
  stopped(): boolean;
  /** Is told which messages are gone for good. */
  lost?(text: string): void;
  /** Option `proceed_on_restore_failure`: after a while go on with what there is. */
  readonly proceedOnFailure: boolean;
}

/** Whether a channel is known to be deleted by what follows the state that is being restored. */
export type IsDeleted = (channel: string, incarnation: number) => boolean;

const TIMEOUT: Millis = 2000;
const PAUSE: Millis = 500;
const PIECE = 512 * 1024;
/** Bytes of a snapshot that is being fetched at most: 1 GiB. */
const MAX_SNAPSHOT = 1024 * 1024 * 1024;

/** This server stops, or gets a newer state: what it was fetching is not needed any more. */
export class Abandoned extends Error {
  override readonly name = "Abandoned";
}

interface Holder {
  readonly id: string;
  readonly first: Sequence;
  readonly last: Sequence;
}

export class Backfill implements MessageSource {
  readonly #parts: BackfillParts;
  /** The beginning of a snapshot whose transfer was interrupted. */
  #partial: PartialSnapshot | undefined;
  /** Grows when what was asked for is not needed any more. */
  #errand = 0;
  /** The snapshot that another node told of last: it may know more of the cluster than this node does. */
  #told: SnapshotMark | undefined;

  constructor(parts: BackfillParts) {
    this.#parts = parts;
  }

  async fetch(
    channel: string,
    incarnation: number,
    from: Sequence,
    to: Sequence,
    into: MessageSink,
    isDeleted: IsDeleted = () => false,
  ): Promise<void> {
    const errand = this.#errand;
    let next = from;
    let rounds = 0;
    // Who had nothing at `next`, though they should: what was there may have expired while it was read.
    const jumped = new Set<string>();
    while (next <= to) {
      if (this.#isOver(errand)) throw new Abandoned("stopped while fetching messages");
      const { holders, complete, deleted } = await this.#holders(channel, incarnation);
      if (deleted) return this.#deleted(channel, to, into);
      const holder = choose(holders, next, to, complete || (this.#parts.proceedOnFailure && rounds > 10));
      if (holder === "wait") {
        if (isDeleted(channel, incarnation)) return this.#deleted(channel, to, into);
        if (rounds++ % 20 === 10) {
          this.#parts.log.warn(
            `channel ${JSON.stringify(channel)}: no node that is up holds messages ${next} to ${to}, still trying`,
          );
        }
        await waited(this.#parts.clock, PAUSE);
        continue;
      }
      const expired = holders.find(({ id, first }) => jumped.has(id) && first > next);
      if (expired !== undefined) {
        into.expired(expired.first);
        next = expired.first;
        jumped.clear();
        continue;
      }
      const begin = holder?.first ?? to + 1;
      if (begin > next) {
        // A node that has come as far lacks only what has expired for all.
        if (holders.some(({ last }) => last >= to)) into.expired(begin);
        else this.#noteLost(channel, next, begin - 1);
        next = begin;
      }
      if (holder === undefined) return;
      const end = Math.min(to, holder.last);
      // One that still says it holds what it did not give has lost it.
      const hole = jumped.has(holder.id) ? next : 0;
      const drained = await this.#drain(holder, channel, incarnation, { from: next, to: end, hole }, into);
      if (drained.next > next) jumped.clear();
      next = drained.next;
      if (drained.jumped) jumped.add(holder.id);
    }
  }

  #noteLost(channel: string, from: Sequence, to: Sequence): void {
    const lost = `channel ${JSON.stringify(channel)}: no node holds messages ${from} to ${to} any more`;
    this.#parts.log.warn(lost);
    this.#parts.lost?.(lost);
  }

  /** The entries behind the state delete the channel: as good as if everything in it had expired. */
  #deleted(channel: string, to: Sequence, into: MessageSink): void {
    this.#parts.log.debug(`channel ${JSON.stringify(channel)} was deleted since: its messages are not needed`);
    into.expired(to + 1);
  }

  /** What is being fetched or compared for a state that is not needed any more ends with {@link Abandoned}. */
  interrupt(): void {
    this.#errand++;
  }

  #isOver(errand: number): boolean {
    return this.#parts.stopped() || errand !== this.#errand;
  }

  async agrees(channel: string, incarnation: number, first: Sequence, last: Sequence): Promise<boolean> {
    const { log, clock } = this.#parts;
    const what = `channel ${JSON.stringify(channel)}: what the store holds, ${first} to ${last},`;
    const errand = this.#errand;
    for (let rounds = 0; !this.#isOver(errand); rounds++) {
      const { holders, complete, deleted } = await this.#holders(channel, incarnation);
      const holder = holders.find((one) => one.last >= last);
      const verdict = holder === undefined ? undefined : await this.#compare(holder, channel, incarnation, first, last);
      // Where there is nobody to ask, nobody holds anything else.
      if (verdict ?? this.#others().length === 0) {
        log.notice(`${what} is kept: ${verdict === true ? "other nodes hold the same" : "no other node can tell"}`);
        return true;
      }
      if (verdict === false || complete || deleted) {
        log.warn(`${what} is dropped: no other node holds the same`);
        return false;
      }
      if (rounds % 20 === 10) log.warn(`${what} cannot be compared: no node that is up holds as much, still trying`);
      await waited(clock, PAUSE);
    }
    throw new Abandoned("stopped while comparing messages");
  }

  /** `undefined` when the other node stopped answering. */
  async #compare(
    holder: Holder,
    channel: string,
    incarnation: number,
    first: Sequence,
    last: Sequence,
  ): Promise<boolean | undefined> {
    // What is older than anything that is left elsewhere would be evicted next.
    if (holder.first > last) return false;
    for (let next = Math.max(first, holder.first); next <= last;) {
      const request = { what: "digest", channel, incarnation, from: next, to: last, max: DIGEST_BYTES } as const;
      const body = await this.#ask(holder.id, request);
      if (typeof body !== "object") return undefined;
      const after = body.number();
      const theirs = body.u32();
      if (after <= next || await this.#ownDigest(channel, next, after - 1) !== theirs) return false;
      next = after;
    }
    return true;
  }

  /** `undefined` for what cannot be read: it agrees with nothing. */
  async #ownDigest(channel: string, from: Sequence, to: Sequence): Promise<number | undefined> {
    try {
      const { next, digest } = await digestOf(this.#parts.replica, channel, from, to, Infinity);
      return next > to ? digest : undefined;
    } catch (error) {
      if (error instanceof StoreFailed && error.code === "corrupt") return undefined;
      throw error;
    }
  }

  /** A snapshot's bytes, verified; `undefined` when no node has it any more. Goes on where an earlier call stopped. */
  async snapshot(mark: SnapshotMark, from: string): Promise<Snapshot | undefined> {
    const { index, term } = mark;
    this.#told = mark;
    const partial = this.#partialOf(index, term);
    if (partial.size > 0) this.#parts.log.notice(`snapshot ${index}: going on at byte ${partial.size}`);
    for (const id of partial.isWhole ? [from] : [from, ...this.#others().filter((id) => id !== from)]) {
      if (!await this.#complete(id, partial)) continue;
      try {
        const { mark: found, state } = decodeSnapshot(partial.bytes(), this.#parts.clusterId);
        if (found.index === index && found.term === term && found.identity === mark.identity) {
          return { mark: found, state };
        }
      } catch (error) {
        this.#parts.log.warn(
          `snapshot ${index} from node ${JSON.stringify(id)} is not sound: ${(error as Error).message}`,
        );
      }
      partial.restart();
      return undefined;
    }
    return undefined;
  }

  /** It is here, and its file beside the others: what was kept of its transfer is not needed any more. */
  snapshotKept(): void {
    this.#partial?.close();
    this.#partial = undefined;
  }

  #partialOf(index: number, term: number): PartialSnapshot {
    if (this.#partial?.index === index && this.#partial.term === term) return this.#partial;
    this.#partial?.close();
    const { files, directory } = this.#parts.snapshots;
    return this.#partial = new PartialSnapshot(files, directory, index, term);
  }

  /** Whether the rest could be had from this node. */
  async #complete(id: string, partial: PartialSnapshot): Promise<boolean> {
    const { index, term } = partial;
    for (let failures = 0; failures < 3 && !this.#parts.stopped() && !partial.isWhole;) {
      const body = await this.#ask(id, { what: "snapshot", index, term, offset: partial.size, max: PIECE });
      if (typeof body === "string") return false;
      if (body === undefined) {
        failures++;
        continue;
      }
      failures = 0;
      const total = body.number();
      const piece = body.rest().slice();
      if (total > MAX_SNAPSHOT || (piece.length === 0 && partial.size < total)) return false;
      partial.add(total, piece);
    }
    return partial.isWhole;
  }

  /**
   * Hands out what one node holds, in order; answers the next sequence wanted, early when the node stops answering, or lacks
   * a message (`jumped`). At `hole` it may: there is nothing.
   */
  async #drain(
    holder: Holder,
    channel: string,
    incarnation: number,
    { from, to, hole }: { readonly from: Sequence; readonly to: Sequence; readonly hole: Sequence },
    into: MessageSink,
  ): Promise<{ readonly next: Sequence; readonly jumped: boolean }> {
    const ask = (next: Sequence) =>
      this.#ask(holder.id, { what: "messages", channel, incarnation, from: next, to, max: PIECE });
    let next = from;
    const mayGoOnAt = (sequence: Sequence): boolean => {
      if (sequence > next && next !== hole) return false;
      if (sequence > next) this.#noteLost(channel, next, sequence - 1);
      return true;
    };
    let answer = ask(next);
    while (next <= to && !this.#parts.stopped()) {
      const body = await answer;
      if (typeof body !== "object") break;
      const after = body.number();
      if (after <= next) break;
      // The next piece is on its way while this one is stored.
      if (after <= to) answer = ask(after);
      while (!body.done) {
        const sequence = body.number();
        const bytes = body.block();
        if (!mayGoOnAt(sequence)) return { next, jumped: true };
        into.take(sequence, bytes, 0, bytes.length);
        next = sequence + 1;
      }
      if (!mayGoOnAt(after)) return { next, jumped: true };
      next = after;
    }
    return { next, jumped: false };
  }

  /** The leader, and all other members: those that the snapshot names, unless this node knows of changes behind that. */
  #others(): readonly string[] {
    const known = this.#parts.membership();
    const { membership } = this.#told !== undefined && this.#told.index >= known.index ? this.#told.membership : known;
    const ids = [this.#parts.leader(), ...membership.members.map((member) => member.id)];
    return [...new Set(ids)].filter((id) => id !== "" && id !== this.#parts.nodeId);
  }

  /** Who holds something of a channel; whether every other member has answered; whether one knows that it was deleted. */
  async #holders(
    channel: string,
    incarnation: number,
  ): Promise<{ holders: Holder[]; complete: boolean; deleted: boolean }> {
    const others = this.#others();
    const answers = await Promise.all(others.map(async (id) => {
      const body = await this.#ask(id, { what: "holding", channel, incarnation });
      return typeof body === "object" ? { id, first: body.number(), last: body.number() } : body;
    }));
    const holders = answers.filter((answer) => typeof answer === "object");
    // Alone there is nobody else to wait for.
    const complete = answers.every((answer) => answer !== undefined);
    return { holders, complete, deleted: answers.includes("deleted") };
  }

  async #ask(id: string, request: BulkRequest): Promise<ByteReader | "gone" | "deleted" | undefined> {
    const { transport, clusterId } = this.#parts;
    const identity = this.#parts.identity() || (this.#told?.identity ?? "");
    const answer = await transport.ask(id, encodeRequest(clusterId, identity, request), TIMEOUT);
    if (answer.kind !== "reply") return undefined;
    try {
      const { status, body } = readAnswer(answer.payload);
      if (status === "ok") return body;
      return status !== "gone" ? undefined : body.done || body.byte() !== 1 ? "gone" : "deleted";
    } catch {
      return undefined;
    }
  }
}

/**
 * From whom to read on. A node that holds everything up to the end has applied all that the reader needs: what it has no
 * more has expired for all. Otherwise only all members together know what is left.
 */
function choose(
  holders: readonly Holder[],
  next: Sequence,
  to: Sequence,
  complete: boolean,
): Holder | "wait" | undefined {
  const useful = holders.filter((holder) => holder.last >= next && holder.first <= holder.last);
  const covering = useful.filter((holder) => holder.first <= next);
  const furthest = (list: readonly Holder[]) => list.reduce((best, one) => one.last > best.last ? one : best, list[0]!);
  if (covering.length > 0) return furthest(covering);
  const upToDate = holders.some((holder) => holder.last >= to);
  if (!upToDate && !complete) return "wait";
  if (useful.length === 0) return undefined;
  return useful.reduce((best, one) => one.first < best.first ? one : best, useful[0]!);
}
