/**
 * Publish requests: checked as they arrive, gathered into a batch, committed together, acknowledged in the order of
 * arrival. Nothing here makes an object per message (spec streaming, section 4).
 */
import type { Clock } from "../ports/clock.ts";
import { type Journal, mayYetBeDone, NotAgreed } from "../ports/journal.ts";
import type { Log } from "../ports/log.ts";
import type { Inbound, MessageBus } from "../ports/message_bus.ts";
import { CtrlMsg, PubAck } from "../protocol/client_messages.ts";
import { Text, tooLargeToDeliver } from "../protocol/errors.ts";
import { latin1 } from "../protocol/latin1.ts";
import { MARKS, type PackedMessages } from "../protocol/operations.ts";
import { isRefusal, type Outcome } from "../protocol/outcomes.ts";
import { FIELD_OVERHEAD, PubMsgOffsets, sameBytes, writeField } from "../protocol/publish_request.ts";
import { isChannelName } from "../protocol/subjects.ts";
import { type Awaitable, isLater } from "../protocol/units.ts";
import type { KnownPublishes, Machine } from "../streaming/mod.ts";
import { ByteTable } from "./byte_table.ts";
import { latecomerKey, type Latecomers } from "./latecomers.ts";
import { PublishBatch } from "./publish_batch.ts";

/** A batch is closed at this size whatever its count, so that no entry of a replicated log grows large. */
const BATCH_BYTES = 512 * 1024;
/** Publishes that wait for agreement, bytes; more are refused, so that a stalled disk or quorum cannot eat the memory. */
const WAITING_BYTES_MAX = 256 * 1024 * 1024;
/** Known channel names and clients that are looked up without making strings. */
const TABLE_ENTRIES = 65_536;
/** Batches whose buffers are kept for later use: as many as a burst has under way. */
const SPARE_BATCHES = 16;
/** What sequence, timestamp and the redelivery fields add to a message when it is delivered, at most. */
const DELIVERY_OVERHEAD = 10 + 11 + 2 + 6;

interface KnownClient {
  readonly id: Uint8Array;
}

export class Publishing {
  readonly #machine: Machine;
  readonly #journal: Journal;
  readonly #bus: MessageBus;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #offsets = new PubMsgOffsets();
  readonly #channels = new ByteTable<string | undefined>(TABLE_ENTRIES);
  readonly #byConnId = new ByteTable<KnownClient | undefined>(TABLE_ENTRIES);
  readonly #byClientId = new ByteTable<KnownClient | undefined>(TABLE_ENTRIES);
  readonly #spare: PublishBatch[] = [];
  readonly #limit: number;
  readonly #latecomers: Latecomers | undefined;
  readonly #othersHold: boolean;
  /** Publish requests taken in since the start, and the bytes of their envelopes. */
  inMessages = 0;
  inBytes = 0;
  /** What was stored lately, while it is likely that publishers ask again. */
  #known: KnownPublishes | undefined;
  #batch: PublishBatch;
  #inFlight = 0;
  #waitingBytes = 0;
  #ack = new Uint8Array(256);
  /** The subject acknowledged to last: most acks of a batch go to the same one. */
  #ackSubject = new Uint8Array(0);

  /** `batchMessages`: messages in one batch at most, 1 to 65,535 (option `io_batch_size`). */
  constructor(
    parts: {
      machine: Machine;
      journal: Journal;
      bus: MessageBus;
      clock: Clock;
      log: Log;
      batchMessages: number;
      latecomers: Latecomers | undefined;
      /** Whether other nodes hear the same requests and take in what this one cannot. */
      othersHold: boolean;
    },
  ) {
    this.#othersHold = parts.othersHold;
    this.#latecomers = parts.latecomers;
    this.#machine = parts.machine;
    this.#journal = parts.journal;
    this.#bus = parts.bus;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#limit = Math.max(1, Math.min(parts.batchMessages, 65_535));
    this.#batch = new PublishBatch(this.#limit);
  }

  /** Takes in one publish request. */
  handle(message: Inbound): void {
    const { buffer } = message;
    const offsets = this.#offsets;
    if (!offsets.decode(buffer, message.payloadStart, message.payloadEnd)) {
      if (!this.#isControl(message)) this.#refuse(message, Text.invalidPublishRequest);
      return;
    }
    if (offsets.guidEnd === offsets.guidStart) return this.#refuse(message, Text.invalidPublishRequest);
    const channel = this.#channelAt(buffer, offsets.subjectStart, offsets.subjectEnd);
    if (channel === undefined) return this.#refuse(message, Text.invalidPublishRequest);
    const client = this.#clientOf(buffer);
    if (client === undefined) return this.#unknown(message);
    if (this.#known !== undefined && this.#isStored(buffer, client, this.#known)) return this.#refuse(message, "");
    const size = offsets.dataEnd - offsets.dataStart + offsets.subjectEnd - offsets.subjectStart +
      offsets.replyEnd - offsets.replyStart + DELIVERY_OVERHEAD;
    if (size > this.#bus.maxPayload) return this.#refuse(message, tooLargeToDeliver(size, this.#bus.maxPayload));
    if (this.#waitingBytes > WAITING_BYTES_MAX) return this.#refuse(message, "stan: too many publishes are waiting");
    this.inMessages++;
    this.inBytes += message.payloadEnd - message.payloadStart;
    this.#batch.add(channel, buffer, offsets, message.replyStart, message.replyEnd, client.id);
    if (this.#batch.count >= this.#limit || this.#batch.size >= BATCH_BYTES) this.flush();
  }

  /** Takes in a request that was held back, unless it was stored meanwhile: then it has been acknowledged again. */
  handleLate(message: Inbound, known: KnownPublishes): void {
    const { buffer, payloadStart, payloadEnd } = message;
    const isPublish = this.#offsets.decode(buffer, payloadStart, payloadEnd);
    const client = isPublish ? this.#clientOf(buffer) : undefined;
    if (client === undefined || !this.#isStored(buffer, client, known)) this.handle(message);
  }

  /** For a while publishers may ask again for what they do not know to be stored: that is acknowledged, and stored once. */
  expectAgain(known: KnownPublishes | undefined): void {
    this.#known = known;
  }

  #isStored(buffer: Uint8Array, { id }: KnownClient, { keys }: KnownPublishes): boolean {
    const { guidStart, guidEnd } = this.#offsets;
    return keys.has(id, 0, id.length, buffer, guidStart, guidEnd);
  }

  /** Commits what was gathered, unless enough is under way already: then it goes on gathering. */
  batchEnded(): void {
    if (this.#inFlight < this.#journal.commitsAtOnce) this.flush();
  }

  /** Puts what was gathered on its way, so that whatever is committed next comes after it; done when it is answered. */
  flush(): Awaitable<void> {
    if (this.#batch.count === 0) return;
    const answered = this.#send(this.#batch);
    this.#batch = this.#spare.pop() ?? new PublishBatch(this.#limit);
    return answered;
  }

  /** Clients came or went: what was remembered of them may be wrong. */
  clientsChanged(): void {
    this.#byConnId.clear();
    this.#byClientId.clear();
  }

  #send(batch: PublishBatch): Awaitable<void> {
    this.#inFlight++;
    this.#waitingBytes += batch.size;
    if (this.#known !== undefined && this.#clock.now() > this.#known.until) this.#known = undefined;
    try {
      const operations = batch.operations(this.#clock.wall(), (name) => !this.#machine.state.channels.has(name));
      const outcomes = this.#journal.commit(operations);
      if (isLater(outcomes)) {
        return outcomes.then((done) => this.#settled(batch, done), (error: unknown) => this.#failed(batch, error));
      }
      this.#settled(batch, outcomes);
    } catch (error) {
      this.#failed(batch, error);
    }
  }

  #settled(batch: PublishBatch, outcomes: readonly Outcome[]): void {
    const results = batch.channels.map((_, place) => batch.outcomeAt(place, outcomes));
    if (results.some(isRefusal)) this.#acknowledgeRefused(batch, (place) => results[place]!);
    this.#acknowledge(batch.packed(), (i) => isRefusal(results[batch.placeOf(i)]!));
    this.#release(batch);
  }

  /** Acknowledges messages whose publishers may have waited in vain: whose leader is gone. */
  acknowledgeAgain(messages: PackedMessages): void {
    this.#acknowledge(messages, () => false);
  }

  #acknowledge({ count, bytes, bounds }: PackedMessages, isRefused: (i: number) => boolean): void {
    for (let i = 0; i < count; i++) {
      const mark = i * MARKS;
      if (bounds[mark + 3] === bounds[mark + 2] || isRefused(i)) continue;
      const end = writeField(
        this.#room(bounds[mark + 2]! - bounds[mark + 1]!),
        0,
        1,
        bytes,
        bounds[mark + 1]!,
        bounds[mark + 2]!,
      );
      this.#bus.publish(this.#subjectAt(bytes, bounds[mark + 2]!, bounds[mark + 3]!), this.#ack, 0, end);
    }
  }

  #failed(batch: PublishBatch, error: unknown): void {
    if (!(error instanceof NotAgreed)) throw error;
    // Others hold these requests too: whoever leads next takes them in and acknowledges them.
    if (!mayYetBeDone(error) || !this.#othersHold) {
      this.#acknowledgeRefused(batch, () => ({ kind: "refused", text: error.message }));
    }
    this.#release(batch);
  }

  /** Answers the messages whose channel's outcome is a refusal. */
  #acknowledgeRefused(batch: PublishBatch, outcomeAt: (place: number) => Outcome): void {
    const { count, bytes, bounds } = batch.packed();
    const decoder = new TextDecoder();
    for (let i = 0; i < count; i++) {
      const outcome = outcomeAt(batch.placeOf(i));
      const mark = i * MARKS;
      if (!isRefusal(outcome) || bounds[mark + 3] === bounds[mark + 2]) continue;
      const guid = decoder.decode(bytes.subarray(bounds[mark + 1]!, bounds[mark + 2]!));
      const subject = bytes.subarray(bounds[mark + 2]!, bounds[mark + 3]!);
      this.#bus.publish(subject, PubAck.encode({ guid, error: outcome.text }));
    }
  }

  #release(batch: PublishBatch): void {
    this.#inFlight--;
    this.#waitingBytes -= batch.size;
    batch.reset();
    if (this.#spare.length < SPARE_BATCHES) this.#spare.push(batch);
    if (this.#inFlight < this.#journal.commitsAtOnce) this.flush();
  }

  /** Answers one request that does not join a batch: with an error, or empty when it is stored already. */
  #refuse(message: Inbound, error: string): void {
    if (error !== "" && this.#log.debugging) this.#log.debug(`Publish refused: ${error}`);
    if (message.replyEnd === message.replyStart) return;
    // Without a lease another server may lead, which knows better (spec clustering, Q4).
    if (error !== "" && !this.#journal.mayServe) return;
    const { guidStart, guidEnd } = this.#offsets;
    const guid = new TextDecoder().decode(message.buffer.subarray(guidStart, guidEnd));
    this.#bus.publish(
      message.buffer.slice(message.replyStart, message.replyEnd),
      PubAck.encode({ guid, error }),
    );
  }

  /** A server's own message on this subject is no publish at all (spec streaming, section 1.4). */
  #isControl(message: Inbound): boolean {
    try {
      return CtrlMsg.decode(message.buffer, message.payloadStart, message.payloadEnd).type >= 0;
    } catch {
      return false;
    }
  }

  /** The client may only be late, where requests can overtake connects. */
  #unknown(message: Inbound): void {
    const { connIdStart, connIdEnd, clientStart, clientEnd } = this.#offsets;
    const clientId = new TextDecoder().decode(message.buffer.subarray(clientStart, clientEnd));
    const key = latecomerKey(latin1(message.buffer, connIdStart, connIdEnd), clientId);
    const waits = this.#latecomers?.wait(key, message, (copy) => this.#retry(copy), (copy) => {
      this.#offsets.decode(copy.buffer, copy.payloadStart, copy.payloadEnd);
      this.#refuse(copy, Text.invalidPublishRequest);
    });
    if (waits !== true) this.#refuse(message, Text.invalidPublishRequest);
  }

  #retry(message: Inbound): void {
    this.handle(message);
    this.#clock.soon(() => this.flush());
  }

  #channelAt(buffer: Uint8Array, start: number, end: number): string | undefined {
    let channel = this.#channels.get(buffer, start, end);
    if (channel !== undefined) return channel;
    channel = new TextDecoder().decode(buffer.subarray(start, end));
    if (!isChannelName(channel)) return undefined;
    this.#channels.add(buffer, start, end, channel);
    return channel;
  }

  /** Whom the request comes from: by connection id where there is one, else by client id. */
  #clientOf(buffer: Uint8Array): KnownClient | undefined {
    const { connIdStart, connIdEnd, clientStart, clientEnd } = this.#offsets;
    const byConnId = connIdEnd > connIdStart;
    const start = byConnId ? connIdStart : clientStart;
    const end = byConnId ? connIdEnd : clientEnd;
    const table = byConnId ? this.#byConnId : this.#byClientId;
    const known = table.get(buffer, start, end);
    if (known !== undefined) return known;
    const client = byConnId
      ? this.#machine.state.clientsByConnId.get(latin1(buffer, start, end))
      : this.#machine.state.clients.get(new TextDecoder().decode(buffer.subarray(start, end)));
    if (client === undefined) return undefined;
    const entry = { id: new TextEncoder().encode(client.id) };
    table.add(buffer, start, end, entry);
    return entry;
  }

  #subjectAt(bytes: Uint8Array, start: number, end: number): Uint8Array {
    const last = this.#ackSubject;
    if (!sameBytes(last, 0, last.length, bytes, start, end)) this.#ackSubject = bytes.slice(start, end);
    return this.#ackSubject;
  }

  #room(guidLength: number): Uint8Array {
    if (this.#ack.length < guidLength + FIELD_OVERHEAD) this.#ack = new Uint8Array(2 * guidLength + FIELD_OVERHEAD);
    return this.#ack;
  }
}
