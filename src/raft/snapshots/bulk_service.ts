/** Serves snapshots and messages to nodes that lack them: any node does, whatever its role (spec clustering, section 11.6, S7). */
import type { Clock } from "../../ports/clock.ts";
import type { Replica } from "../../ports/journal.ts";
import type { Inbound, MessageBus, Subscription } from "../../ports/message_bus.ts";
import { isLater } from "../../protocol/units.ts";
import { BulkAnswer, type BulkRequest, decodeRequest } from "./bulk_format.ts";
import type { ChannelLives } from "./channel_lives.ts";
import { DIGEST_BYTES, digestOf } from "./digest.ts";
import { BUSY_PIECE, Pace } from "./pace.ts";
import { encodeSnapshot, type Snapshots } from "./snapshots.ts";
import { nodeSubject } from "../wire/mod.ts";

export interface BulkServiceParts {
  readonly bus: MessageBus;
  readonly clusterId: string;
  readonly nodeId: string;
  readonly replica: Replica;
  readonly snapshots: Snapshots;
  readonly lives: Pick<ChannelLives, "view">;
  readonly clock: Clock;
  identity(): string;
  /** The state is as of this entry, or a later one; 0 while it is none. */
  stateIndex(): number;
  /** Grows with what this node does for clients. */
  work(): number;
}

/** What cannot be read here is not answered: whoever asks turns to another node. */
function unreadable(): void {}

/** `deleted`: by agreement. */
type Absence = "gone" | "deleted";

function gone(how: Absence): Uint8Array {
  const answer = new BulkAnswer("gone");
  if (how === "deleted") answer.writer.byte(1);
  return answer.take();
}

type RangeRequest = Extract<BulkRequest, { what: "messages" | "digest" }>;

/** Kept free in an answer for its own fields. */
const SPARE = 2048;

export class BulkService {
  readonly #parts: BulkServiceParts;
  readonly #subscription: Subscription;
  readonly #pace: Pace;
  #closed = false;
  /** The snapshot that is being served, as sent. */
  #image: { readonly index: number; readonly term: number; readonly bytes: Uint8Array } | undefined;

  constructor(parts: BulkServiceParts) {
    this.#parts = parts;
    this.#pace = new Pace(() => parts.work());
    const subject = nodeSubject(parts.clusterId, parts.nodeId, "s");
    this.#subscription = parts.bus.subscribe(subject, (inbound) => this.#receive(inbound));
  }

  /** The snapshot that must not be removed, because somebody reads it. */
  get pinned(): { readonly index: number; readonly term: number } | undefined {
    return this.#image;
  }

  close(): void {
    this.#closed = true;
    this.#subscription.unsubscribe();
  }

  #receive(inbound: Inbound): void {
    if (inbound.replyStart === inbound.replyEnd) return;
    const reply = inbound.buffer.slice(inbound.replyStart, inbound.replyEnd);
    try {
      const { clusterId, identity, request } = decodeRequest(
        inbound.buffer.slice(inbound.payloadStart, inbound.payloadEnd),
      );
      const ours = clusterId === this.#parts.clusterId && identity === this.#parts.identity();
      if (!ours) return void this.#parts.bus.publish(reply, new BulkAnswer("refused").take());
      if (request.what === "holding") this.#answer(reply, request);
      else this.#answerInTime(reply, request);
    } catch {
      // not a request: whoever asks turns to another node
    }
  }

  /** While clients are served, pieces are small and wait for their turn. */
  #answerInTime(reply: Uint8Array, request: Exclude<BulkRequest, { what: "holding" }>): void {
    const { clock } = this.#parts;
    const wait = this.#pace.wait(clock.now());
    if (this.#closed) return;
    if (wait > 0) return void clock.wakeAt(clock.now() + wait, () => this.#answerInTime(reply, request));
    const max = this.#pace.busy(clock.now()) ? Math.min(request.max, BUSY_PIECE) : request.max;
    this.#answer(reply, { ...request, max });
  }

  #answer(reply: Uint8Array, request: BulkRequest): void {
    const send = (bytes: Uint8Array) => {
      const looked = request.what === "digest" ? Math.min(request.max, DIGEST_BYTES) : bytes.length;
      if (request.what !== "holding") this.#pace.left(this.#parts.clock.now(), looked);
      if (!this.#closed) this.#parts.bus.publish(reply, bytes);
    };
    try {
      const answer = this.#serve(request);
      if (answer instanceof Promise) void answer.then(send, unreadable);
      else send(answer);
    } catch {
      unreadable();
    }
  }

  #serve(request: BulkRequest): Uint8Array | Promise<Uint8Array> {
    switch (request.what) {
      case "snapshot":
        return this.#snapshot(request.index, request.term, request.offset, request.max);
      case "holding": {
        const holding = this.#holding(request.channel, request.incarnation);
        if (typeof holding === "string") return gone(holding);
        const answer = new BulkAnswer("ok");
        answer.writer.number(holding.first);
        answer.writer.number(holding.last);
        return answer.take();
      }
      case "messages":
        return this.#messages(request);
      case "digest":
        return this.#digest(request);
    }
  }

  #snapshot(index: number, term: number, offset: number, max: number): Uint8Array {
    const bytes = this.#imageOf(index, term);
    if (bytes === undefined || offset > bytes.length) return new BulkAnswer("gone").take();
    const answer = new BulkAnswer("ok");
    answer.writer.number(bytes.length);
    answer.writer.bytes(bytes.subarray(offset, offset + this.#room(max)));
    if (offset + this.#room(max) >= bytes.length) this.#image = undefined;
    return answer.take();
  }

  #imageOf(index: number, term: number): Uint8Array | undefined {
    const { snapshots, clusterId } = this.#parts;
    if (this.#image?.index === index && this.#image.term === term) return this.#image.bytes;
    if (!snapshots.has(index, term)) return undefined;
    const bytes = encodeSnapshot(clusterId, snapshots.read(index, term));
    this.#image = { index, term, bytes };
    return bytes;
  }

  /**
   * What this node has of a channel. A state that has not come to the channel yet cannot tell whose messages the store
   * holds, but the log may. Throws where nobody can: the answer comes once the state is there.
   */
  #holding(channel: string, incarnation: number): { first: number; last: number } | Absence {
    const { replica, lives } = this.#parts;
    const stateIndex = this.#parts.stateIndex();
    const isKnown = incarnation === 0 || (replica.knows?.(channel, incarnation) ?? true);
    if (!isKnown && stateIndex >= incarnation) return "deleted";
    const view = isKnown ? "only" : lives.view(channel, incarnation, stateIndex);
    if (view === "unclear") throw new Error("the state has not come to this channel yet");
    return (view === "none" ? undefined : replica.holding(channel, incarnation)) ?? "gone";
  }

  #messages(request: RangeRequest): Uint8Array | Promise<Uint8Array> {
    const { replica } = this.#parts;
    const { channel, from, to } = request;
    const holding = this.#holding(channel, request.incarnation);
    if (typeof holding === "string") return gone(holding);
    const room = this.#room(request.max);
    const found: { sequence: number; bytes: Uint8Array }[] = [];
    let size = 0;
    let stoppedAt: number | undefined;
    const next = replica.readMessages(channel, from, to, room, (sequence, buffer, start, end) => {
      if (found.length > 0 && size + end - start + 16 > room) {
        stoppedAt = sequence;
        return false;
      }
      size += end - start + 16;
      found.push({ sequence, bytes: buffer.slice(start, end) });
      return true;
    });
    const finish = (readTo: number) => {
      const answer = new BulkAnswer("ok");
      answer.writer.number(stoppedAt ?? readTo);
      for (const { sequence, bytes } of found) {
        answer.writer.number(sequence);
        answer.writer.block(bytes);
      }
      return answer.take();
    };
    return isLater(next) ? next.then(finish) : finish(next);
  }

  async #digest({ channel, incarnation, from, to, max }: RangeRequest): Promise<Uint8Array> {
    const { replica } = this.#parts;
    const holding = this.#holding(channel, incarnation);
    if (typeof holding === "string") return gone(holding);
    const { next, digest } = await digestOf(replica, channel, from, to, Math.min(max, DIGEST_BYTES));
    const answer = new BulkAnswer("ok");
    answer.writer.number(next);
    answer.writer.u32(digest);
    return answer.take();
  }

  #room(max: number): number {
    return Math.max(1024, Math.min(max, this.#parts.bus.maxPayload - SPARE));
  }
}
