/**
 * Partitioning: several servers of one cluster id, each with channels of its own. They compare their lists and refuse to
 * serve the same channel twice (spec streaming, section 9.8; spec clustering, section 10).
 */
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Inbound, MessageBus, Subscription } from "../ports/message_bus.ts";
import { CtrlMsg, CtrlType } from "../protocol/client_messages.ts";
import { StartFailed } from "../protocol/errors.ts";
import type { Nuid } from "../protocol/nuid.ts";
import { matches, partitionSubject } from "../protocol/subjects.ts";
import type { Millis } from "../protocol/units.ts";
import { Malformed } from "../protocol/varint.ts";

/** The others have answered when nothing has come for so long. */
const SILENCE: Millis = 1000;
/** How long after NATS has come to more servers the lists are compared again: interest has to get around first. */
const SETTLING: Millis = 500;
/** What the message around a list of channels may take. */
const ENVELOPE = 256;

export interface PartitionParts {
  readonly clusterId: string;
  readonly serverId: string;
  /** Names and patterns of the channels that are this server's. */
  readonly channels: readonly string[];
  readonly bus: MessageBus;
  readonly clock: Clock;
  readonly nuid: Nuid;
  /** A server that has come within reach serves a channel of ours: this one must not go on. */
  readonly onConflict: (reason: string) => void;
}

export class Partitions {
  readonly #parts: PartitionParts;
  readonly #subject: string;
  #subscription: Subscription | undefined;
  #cancelCheck: Cancel | undefined;
  #stopped = false;

  /** Throws StartFailed when there are no channels. */
  constructor(parts: PartitionParts) {
    if (parts.channels.length === 0) throw new StartFailed("stan: no configured channel");
    this.#parts = parts;
    this.#subject = partitionSubject(parts.clusterId);
  }

  /** Names and patterns of the channels that are this server's. */
  get channels(): readonly string[] {
    return this.#parts.channels;
  }

  /** Answers other servers from now on. */
  listen(): void {
    this.#subscription = this.#parts.bus.subscribe(this.#subject, (message) => this.#answer(message));
  }

  /** Asks again whenever NATS has come to more servers. */
  watch(): void {
    this.#parts.bus.onTopology?.(() => this.#checkSoon());
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelCheck?.();
    this.#subscription?.unsubscribe();
  }

  /** Whether this server's clients may use the channel here. */
  owns(channel: string): boolean {
    return this.#parts.channels.some((pattern) => matches(pattern, channel));
  }

  /** Asks all other servers. Rejects with StartFailed when one of them serves a channel of ours. */
  async check(): Promise<void> {
    const { bus, clock, nuid, serverId } = this.#parts;
    const inbox = `_INBOX.${nuid.next()}`;
    let lastHeard = clock.now();
    let conflict: StartFailed | undefined;
    let hurry = () => {};
    const replies = bus.subscribe(inbox, (message) => {
      const answer = decoded(message);
      if (answer === undefined || answer.serverId === serverId) return;
      lastHeard = clock.now();
      if (answer.data.length > 0) {
        const channel = new TextDecoder().decode(answer.data);
        conflict ??= new StartFailed(
          `channel "${channel}" causes conflict with channels on server "${answer.serverId}"`,
        );
        hurry();
      }
    });
    const subject = new TextEncoder().encode(this.#subject);
    const reply = new TextEncoder().encode(inbox);
    for (const data of encodeLists(this.#parts.channels, bus.maxPayload - ENVELOPE)) {
      bus.publishRequest(subject, reply, CtrlMsg.encode({ type: CtrlType.partitioning, serverId, data }));
    }
    while (conflict === undefined && clock.now() < lastHeard + SILENCE) {
      await new Promise<void>((resolve) => {
        hurry = resolve;
        clock.wakeAt(lastHeard + SILENCE, resolve);
      });
    }
    replies.unsubscribe();
    if (conflict !== undefined) throw conflict;
  }

  #checkSoon(): void {
    const { clock, onConflict } = this.#parts;
    if (this.#stopped) return;
    this.#cancelCheck?.();
    this.#cancelCheck = clock.wakeAt(clock.now() + SETTLING, () => {
      this.check().catch((error: unknown) => {
        if (!(error instanceof StartFailed)) throw error;
        if (!this.#stopped) onConflict(`Partitioning error: ${error.message}`);
      });
    });
  }

  #answer(message: Inbound): void {
    const { bus, serverId, channels } = this.#parts;
    const request = decoded(message);
    if (request === undefined || request.serverId === serverId || message.replyEnd === message.replyStart) return;
    const names = decodeList(request.data);
    if (names === undefined || names.length === 0) return;
    const conflict = names.find((name) => channels.some((own) => overlap(own, name))) ?? "";
    bus.publish(
      message.buffer.slice(message.replyStart, message.replyEnd),
      CtrlMsg.encode({ type: CtrlType.partitioning, serverId, data: new TextEncoder().encode(conflict) }),
    );
  }
}

function decoded(message: Inbound): CtrlMsg | undefined {
  try {
    const control = CtrlMsg.decode(message.buffer, message.payloadStart, message.payloadEnd);
    return control.type === CtrlType.partitioning && control.serverId !== "" ? control : undefined;
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

/** Whether some subject matches both patterns. */
export function overlap(a: string, b: string): boolean {
  const left = a.split(".");
  const right = b.split(".");
  for (let i = 0;; i++) {
    if (i === left.length || i === right.length) return left.length === right.length;
    if (left[i] === ">" || right[i] === ">") return true;
    if (left[i] !== "*" && right[i] !== "*" && left[i] !== right[i]) return false;
  }
}

/** The names with a 16-bit little-endian length each, in as many lists as it takes to keep each below `sizeMax` bytes. */
export function encodeLists(names: readonly string[], sizeMax: number): Uint8Array[] {
  const lists: Uint8Array[] = [];
  let parts: number[] = [];
  for (const name of names) {
    const bytes = new TextEncoder().encode(name);
    if (bytes.length + 2 > sizeMax) throw new StartFailed("message payload too small to send channels list");
    if (parts.length + bytes.length + 2 > sizeMax) {
      lists.push(Uint8Array.from(parts));
      parts = [];
    }
    parts.push(bytes.length & 0xff, bytes.length >> 8, ...bytes);
  }
  return [...lists, Uint8Array.from(parts)];
}

/** `undefined` when the bytes are no such list. */
export function decodeList(bytes: Uint8Array): string[] | undefined {
  const names: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = (bytes[at] ?? 0) | (bytes[at + 1] ?? 0) << 8;
    if (at + 2 + length > bytes.length) return undefined;
    names.push(new TextDecoder().decode(bytes.subarray(at + 2, at + 2 + length)));
    at += 2 + length;
  }
  return names;
}
