/**
 * Raft messages over NATS. Two connections: one for votes and heartbeats, one for entries and bulk, so that the former
 * never wait behind the latter (spec clustering, sections 11.3 L8 and 11.9). At most once, in order at best; everything
 * else is the core's concern.
 */
import type { Answer, Inbound, MessageBus, SubjectBytes, Subscription } from "../../ports/message_bus.ts";
import type { Millis } from "../../protocol/units.ts";
import type { Message } from "../core/mod.ts";
import { cutIntoChunks, isChunk, Reassembly } from "./chunks.ts";
import { type Lane, nodeSubject } from "./subjects.ts";
import { decodeMessage, encodeMessage, NO_BOOT } from "./wire_format.ts";

/** What a message that came in was found to be. */
export interface TransportEvents {
  /** A sound message for this node. */
  message(message: Message, fromBoot: string): void;
  /** Another process uses this node's name: it sent `boot`, which is not ours. */
  sameName(boot: string): void;
  /** What was received together has been handed out. */
  batchEnded(): void;
  /** A message was dropped; counted, and worth a line the first time. */
  dropped(reason: string): void;
}

export interface TransportOptions {
  readonly clusterId: string;
  readonly nodeId: string;
  /** 16 hexadecimal digits, drawn at each start. */
  readonly boot: string;
  readonly control: MessageBus;
  readonly bulk: MessageBus;
  readonly events: TransportEvents;
}

interface Peer {
  readonly subjects: Record<Lane, SubjectBytes>;
  boot: string;
  maxPayload: number;
}

/** Kept free below NATS' largest payload: subjects and headers count too. */
const SPARE = 1024;

const encoder = new TextEncoder();

const ON_CONTROL: ReadonlySet<Message["kind"]> = new Set([
  "pre-vote",
  "pre-vote reply",
  "vote",
  "vote reply",
  "heartbeat",
  "heartbeat reply",
  "timeout now",
  "goodbye",
  "removed",
]);

/** What means nothing to a process that did not ask; everything else may come from before its start. */
const ANSWERS: ReadonlySet<Message["kind"]> = new Set([
  "pre-vote reply",
  "vote reply",
  "append reply",
  "append refusal",
  "heartbeat reply",
  "timeout now",
  "snapshot reply",
]);

export class Transport {
  readonly #options: TransportOptions;
  readonly #peers = new Map<string, Peer>();
  readonly #reassembly = new Reassembly();
  readonly #subscriptions: Subscription[] = [];
  #chunked = 0;
  #closed = false;
  /** Counters for monitoring. */
  sent = 0;
  received = 0;
  unsent = 0;
  droppedMessages = 0;

  constructor(options: TransportOptions) {
    this.#options = options;
    options.bulk.onConnection(() => this.#reassembly.clear());
    this.#listen(options.control, "c");
    this.#listen(options.bulk, "d");
    options.control.onBatchEnd(options.events.batchEnded);
    options.bulk.onBatchEnd(options.events.batchEnded);
  }

  /** Answers when NATS has taken note of the subscriptions. */
  async ready(): Promise<void> {
    await Promise.all([this.#options.control.flush(), this.#options.bulk.flush()]);
  }

  /** Sends a message to its receiver. What cannot be sent now is lost, as anything that NATS drops. */
  send(message: Message): void {
    if (this.#closed) return;
    const { clusterId, boot, control, bulk } = this.#options;
    const peer = this.#peer(message.to);
    const onControl = ON_CONTROL.has(message.kind);
    const bus = onControl ? control : bulk;
    const bytes = encodeMessage(message, { clusterId, fromBoot: boot, toBoot: peer.boot, maxPayload: bus.maxPayload });
    const subject = peer.subjects[onControl ? "c" : "d"];
    const limit = Math.min(bus.maxPayload, peer.maxPayload) - SPARE;
    if (bytes.length <= limit) return this.#count(bus.publish(subject, bytes));
    this.#chunked++;
    for (const piece of cutIntoChunks(bytes, this.#options.nodeId, boot, this.#chunked, limit)) {
      if (!bus.publish(subject, piece)) return this.#count(false);
    }
    this.#count(true);
  }

  /** What was sent goes out now. */
  push(): void {
    this.#options.control.push?.();
    this.#options.bulk.push?.();
  }

  /** Asks a node's service for snapshots and messages. */
  ask(id: string, request: Uint8Array, timeout: Millis): Promise<Answer> {
    return this.#options.bulk.request(nodeSubject(this.#options.clusterId, id, "s"), request, timeout);
  }

  /** Whether somebody listens where `id` should: an empty control message is asked for an answer that nobody gives. */
  probe(id: string, timeout: Millis): Promise<Answer> {
    return this.#options.control.request(nodeSubject(this.#options.clusterId, id, "c"), new Uint8Array(0), timeout);
  }

  /** What messages hold of which pieces are missing. */
  get unfinishedBytes(): number {
    return this.#reassembly.bytes;
  }

  /** How many bytes of answer fit a message to anybody. */
  get bulkLimit(): number {
    return this.#options.bulk.maxPayload - SPARE;
  }

  /** Silent from now on; the connections stay. */
  close(): void {
    this.#closed = true;
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  #listen(bus: MessageBus, lane: Lane): void {
    const subject = nodeSubject(this.#options.clusterId, this.#options.nodeId, lane);
    this.#subscriptions.push(bus.subscribe(subject, (inbound) => this.#receive(inbound)));
  }

  #receive(inbound: Inbound): void {
    if (this.#closed || inbound.payloadStart === inbound.payloadEnd) return;
    const bytes = inbound.buffer.slice(inbound.payloadStart, inbound.payloadEnd);
    try {
      const whole = isChunk(bytes) ? this.#reassembly.take(bytes) : bytes;
      if (whole !== undefined) this.#accept(whole);
    } catch (error) {
      this.#drop(error instanceof Error ? error.message : String(error));
    }
  }

  #accept(bytes: Uint8Array): void {
    const { message, envelope } = decodeMessage(bytes, this.#options.clusterId);
    if (message.to !== this.#options.nodeId) return this.#drop(`message for node ${JSON.stringify(message.to)}`);
    if (message.from === this.#options.nodeId) return this.#options.events.sameName(envelope.fromBoot);
    const peer = this.#peer(message.from);
    peer.boot = envelope.fromBoot;
    if (envelope.maxPayload > 0) peer.maxPayload = envelope.maxPayload;
    const meant = envelope.toBoot === NO_BOOT || envelope.toBoot === this.#options.boot;
    if (!meant && ANSWERS.has(message.kind)) return this.#drop("answer to an earlier start of this node");
    this.received++;
    this.#options.events.message(message, envelope.fromBoot);
  }

  #drop(reason: string): void {
    this.droppedMessages++;
    this.#options.events.dropped(reason);
  }

  #count(sent: boolean): void {
    if (sent) this.sent++;
    else this.unsent++;
  }

  #peer(id: string): Peer {
    let peer = this.#peers.get(id);
    if (peer === undefined) {
      const subject = (lane: Lane) => encoder.encode(nodeSubject(this.#options.clusterId, id, lane));
      peer = {
        subjects: { c: subject("c"), d: subject("d"), s: subject("s") },
        boot: NO_BOOT,
        maxPayload: Number.MAX_SAFE_INTEGER,
      };
      this.#peers.set(id, peer);
    }
    return peer;
  }
}
