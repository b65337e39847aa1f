/**
 * A connection to NATS on which every message carries a code that only those who know the cluster's secret can make:
 * the first 16 bytes of HMAC-SHA256 over the payload, behind it. What comes without is dropped, so that a client that
 * may publish anywhere cannot speak for a node (spec clustering, section 11.9). It does not hide anything, and a message
 * that is repeated is the same message: Raft takes no harm from that.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Answer, Handler, Inbound, MessageBus, SubjectBytes, Subscription } from "../../ports/message_bus.ts";
import type { Millis } from "../../protocol/units.ts";

/** Bytes that the code takes. */
export const CODE = 16;

export class SignedBus implements MessageBus {
  readonly #bus: MessageBus;
  readonly #key: Uint8Array;
  readonly #refused: () => void;

  /** `refused` is told of each message that came without the right code. */
  constructor(bus: MessageBus, secret: string, clusterId: string, refused: () => void) {
    this.#bus = bus;
    this.#refused = refused;
    this.#key = createHmac("sha256", secret).update(`nats-streaming raft ${clusterId}`).digest();
  }

  get connected(): boolean {
    return this.#bus.connected;
  }

  get maxPayload(): number {
    return this.#bus.maxPayload - CODE;
  }

  get url(): string {
    return this.#bus.url;
  }

  subscribe(subject: string, handler: Handler): Subscription {
    return this.#bus.subscribe(subject, (message) => this.#verified(message, handler));
  }

  publish(subject: SubjectBytes, payload: Uint8Array, start = 0, end = payload.length): boolean {
    return this.#bus.publish(subject, this.#signed(payload.subarray(start, end)));
  }

  publishRequest(subject: SubjectBytes, reply: SubjectBytes, payload: Uint8Array): boolean {
    return this.#bus.publishRequest(subject, reply, this.#signed(payload));
  }

  /** An answer without the right code is no answer. */
  async request(subject: string, payload: Uint8Array, timeout: Millis): Promise<Answer> {
    const answer = await this.#bus.request(subject, this.#signed(payload), timeout);
    if (answer.kind !== "reply" || answer.payload.length === 0) return answer;
    const end = answer.payload.length - CODE;
    if (this.#isSigned(answer.payload, 0, end)) return { kind: "reply", payload: answer.payload.subarray(0, end) };
    this.#refused();
    return { kind: "timeout" };
  }

  flush(): Promise<void> {
    return this.#bus.flush();
  }

  push(): void {
    this.#bus.push?.();
  }

  onBatchEnd(listener: () => void): void {
    this.#bus.onBatchEnd(listener);
  }

  onConnection(listener: (connected: boolean) => void): void {
    this.#bus.onConnection(listener);
  }

  onTopology(listener: () => void): void {
    this.#bus.onTopology?.(listener);
  }

  close(): Promise<void> {
    return this.#bus.close();
  }

  /** Empty messages say nothing and stay empty: they only find out whether somebody listens. */
  #signed(payload: Uint8Array): Uint8Array {
    if (payload.length === 0) return payload;
    const signed = new Uint8Array(payload.length + CODE);
    signed.set(payload);
    signed.set(this.#code(payload), payload.length);
    return signed;
  }

  #verified(message: Inbound, handler: Handler): void {
    const { buffer, payloadStart, payloadEnd } = message;
    if (payloadStart === payloadEnd) return handler(message);
    const end = payloadEnd - CODE;
    if (!this.#isSigned(buffer, payloadStart, end)) return this.#refused();
    message.payloadEnd = end;
    try {
      handler(message);
    } finally {
      message.payloadEnd = payloadEnd;
    }
  }

  #isSigned(bytes: Uint8Array, start: number, end: number): boolean {
    if (end <= start) return false;
    return timingSafeEqual(this.#code(bytes.subarray(start, end)), bytes.subarray(end, end + CODE));
  }

  #code(payload: Uint8Array): Uint8Array {
    return createHmac("sha256", this.#key).update(payload).digest().subarray(0, CODE);
  }
}
