/**
 * NATS as the server uses it: at-most-once messages by subject. Two implementations: straight into the embedded server,
 * or through a client connection to an external one. Both keep the order of one publisher towards one subscriber.
 *
 * Nothing is kept while disconnected: publishing then is refused (spec streaming, section 1.6), because queued
 * redeliveries would flood out on reconnect.
 */
import type { Millis } from "../protocol/units.ts";

/**
 * One received message, as offsets into the buffer it arrived in, where subject, reply subject and payload stand in this
 * order. The object and the buffer are reused: whoever keeps anything beyond the handler's call copies it.
 */
export interface Inbound {
  buffer: Uint8Array;
  subjectStart: number;
  subjectEnd: number;
  /** Equal to `replyEnd` when the message has no reply subject. */
  replyStart: number;
  replyEnd: number;
  payloadStart: number;
  payloadEnd: number;
  /** Set on the NATS 503 status: nobody listens on the subject that was asked. */
  noResponders: boolean;
}

/** Handles one message, synchronously; must not throw. */
export type Handler = (message: Inbound) => void;

export interface Subscription {
  /** Stops delivery at once, also of messages already received. Idempotent. */
  unsubscribe(): void;
}

/** What came of a request. Bytes of a reply are the caller's own. */
export type Answer =
  | { readonly kind: "reply"; readonly payload: Uint8Array }
  | { readonly kind: "no responders" }
  | { readonly kind: "timeout" }
  | { readonly kind: "disconnected" };

/** A subject already in bytes, checked and reusable: what hot paths publish to. */
export type SubjectBytes = Uint8Array;

export interface MessageBus {
  /** `false` while the connection to NATS is down. */
  readonly connected: boolean;
  /** Largest payload NATS takes, bytes; may change on reconnect. */
  readonly maxPayload: number;
  /** Where NATS clients reach this bus, e.g. `nats://127.0.0.1:4222`; for the log and the monitoring pages. */
  readonly url: string;

  subscribe(subject: string, handler: Handler): Subscription;

  /**
   * Sends `payload[start, end)`, copied before the call returns; goes out at the end of the turn at the latest.
   * Returns `false`, and sends nothing, when disconnected or larger than `maxPayload`, or when `subject` cannot be
   * published to (empty, white space, wildcards).
   */
  publish(subject: SubjectBytes, payload: Uint8Array, start?: number, end?: number): boolean;

  /** As {@link publish}, with a reply subject. */
  publishRequest(subject: SubjectBytes, reply: SubjectBytes, payload: Uint8Array): boolean;

  /** Publishes with a private reply subject and waits for the first answer. Never rejects. */
  request(subject: string, payload: Uint8Array, timeout: Millis): Promise<Answer>;

  /** Resolves when NATS has processed everything sent before, subscriptions included; rejects when the connection breaks. */
  flush(): Promise<void>;

  /** Sends what was published now, not at the end of the turn: before work that others need not wait for. Absent where nothing waits. */
  push?(): void;

  /**
   * Calls `listener` each time a run of received messages has been handed out and a batch should be closed: at once when
   * a single connection is busy, at the end of the turn when several are. One listener.
   */
  onBatchEnd(listener: () => void): void;

  /** Calls `listener` after each loss (`false`) and return (`true`) of the connection. On return, subscriptions are in place again. */
  onConnection(listener: (connected: boolean) => void): void;

  /** Calls `listener` when NATS has come to more servers, through which others may be reached now. One listener. */
  onTopology?(listener: () => void): void;

  /** Stops; nothing is delivered any more. Idempotent. */
  close(): Promise<void>;
}
