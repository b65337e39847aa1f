/**
 * Who is there: every node of a cluster answers a question on one subject. A start asks before it forms or joins
 * anything; a leader keeps asking, so that two clusters under one name find each other (spec clustering, sections 3.4
 * and 11.9).
 */
import type { Clock } from "../../ports/clock.ts";
import type { Inbound, MessageBus, Subscription } from "../../ports/message_bus.ts";
import type { Millis } from "../../protocol/units.ts";
import { bool, type Message, message, string, uint64 } from "../../protocol/schema.ts";
import { crc32c, whoSubject } from "../wire/mod.ts";

/** What a node says of itself, in questions and answers alike. */
export const Presence = message({
  nodeId: string(1),
  incarnation: string(2),
  boot: string(3),
  /** Empty while there is none. */
  identity: string(4),
  term: uint64(5),
  leader: string(6),
  /** Sorted initial list, joined with commas. */
  founders: string(7),
  /** The members as this node knows them, `id=incarnation`, sorted, joined with commas; only once `identity` is known. */
  members: string(8),
  /** Started with `-cluster_bootstrap` and still looking around. */
  bootstrapping: bool(9),
  /** Milliseconds since its start: of two processes with one name, the younger one gives way. */
  age: uint64(10),
  lastIndex: uint64(11),
  /** Not a member, and waiting to be added. */
  waiting: bool(12),
  lastTerm: uint64(13),
  /** Its log may lack what it had acknowledged: it does not vote (spec clustering, P12). */
  distrusted: bool(14),
  /** What its state hashes to, as of two entries (spec clustering, D8); zeros from releases that do not count it. */
  roundIndex: uint64(15),
  roundDigest: uint64(16),
  index: uint64(17),
  digest: uint64(18),
  /** Of a leader: the member, `id=incarnation`, whose state went its own way and that has to stop. */
  toStop: string(19),
  /** How its digests are counted. */
  scheme: uint64(21),
  /** Its wall clock, Unix milliseconds. */
  wall: uint64(20),
});
export type Presence = Message<typeof Presence>;

export class Who {
  readonly #bus: MessageBus;
  readonly #clock: Clock;
  readonly #subject: string;
  readonly #self: () => Presence;
  readonly #heard: (other: Presence, isAnswer: boolean) => void;
  readonly #subscription: Subscription;
  #asked = 0;

  /** Answers questions from now on; `heard` is told of everybody who asks, or answers a question just asked. */
  constructor(
    bus: MessageBus,
    clock: Clock,
    clusterId: string,
    self: () => Presence,
    heard: (other: Presence, isAnswer: boolean) => void,
  ) {
    this.#bus = bus;
    this.#clock = clock;
    this.#subject = whoSubject(clusterId);
    this.#self = self;
    this.#heard = heard;
    this.#subscription = bus.subscribe(this.#subject, (inbound) => this.#answer(inbound));
  }

  /** Asks everybody, again and again for `duration`, and answers with everybody's last word, by boot id. */
  async survey(
    duration: Millis,
    enough: (found: ReadonlyMap<string, Presence>) => boolean = () => false,
  ): Promise<Map<string, Presence>> {
    const found = new Map<string, Presence>();
    const inbox = this.#inbox();
    const end = this.#clock.now() + duration;
    let wake = () => {};
    const subscription = this.#bus.subscribe(inbox, (inbound) => {
      const other = this.#decode(inbound);
      if (other === undefined) return;
      found.set(other.boot, other);
      this.#heard(other, true);
      if (enough(found)) wake();
    });
    try {
      while (this.#clock.now() < end && !enough(found)) {
        this.ask(inbox);
        const pause = Math.min(this.#clock.now() + Math.max(50, duration / 8), end);
        await new Promise<void>((resolve) => {
          const cancel = this.#clock.wakeAt(pause, resolve);
          wake = () => {
            cancel();
            resolve();
          };
        });
      }
    } finally {
      subscription.unsubscribe();
    }
    return found;
  }

  /** Whether the process with this boot id answers when it is asked now. */
  async answers(boot: string): Promise<boolean> {
    return (await this.survey(ANSWER, (so) => so.has(boot))).has(boot);
  }

  /** Asks everybody once; answers go to `inbox`. */
  ask(inbox: string): void {
    this.#bus.publishRequest(bytesOf(this.#subject), bytesOf(inbox), sealed(this.#self()));
  }

  close(): void {
    this.#subscription.unsubscribe();
  }

  #inbox(): string {
    const { boot } = this.#self();
    return `_INBOX.raft.${boot}.${++this.#asked}`;
  }

  #answer(inbound: Inbound): void {
    const reply = inbound.buffer.slice(inbound.replyStart, inbound.replyEnd);
    const other = this.#decode(inbound);
    if (other === undefined) return;
    if (reply.length > 0) this.#bus.publish(reply, sealed(this.#self()));
    this.#heard(other, false);
  }

  /** `undefined` for what is no presence, and for this process's own. */
  #decode(inbound: Inbound): Presence | undefined {
    const { buffer, payloadStart, payloadEnd } = inbound;
    const start = payloadStart + SUM;
    if (start >= payloadEnd || sumAt(buffer, payloadStart) !== crc32c(buffer, start, payloadEnd)) return undefined;
    try {
      const other = Presence.decode(buffer, start, payloadEnd);
      return other.nodeId === "" || other.boot === this.#self().boot ? undefined : other;
    } catch {
      return undefined;
    }
  }
}

const encoder = new TextEncoder();
/** Somebody who is there answers within this time. */
const ANSWER: Millis = 200;
/** Bytes of the CRC-32C that goes before a presence: a damaged one must not be taken for another cluster's. */
const SUM = 4;

function sealed(presence: Presence): Uint8Array {
  const bytes = Presence.encode(presence);
  const whole = new Uint8Array(SUM + bytes.length);
  new DataView(whole.buffer).setUint32(0, crc32c(bytes), true);
  whole.set(bytes, SUM);
  return whole;
}

function sumAt(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + at, SUM).getUint32(0, true);
}

function bytesOf(subject: string): Uint8Array {
  return encoder.encode(subject);
}

/** Which incarnation a presence's members have under `id`; `undefined` when it is none of them. */
export function incarnationIn(presence: Presence, id: string): string | undefined {
  const found = presence.members.split(",").find((member) => member.startsWith(`${id}=`));
  return found?.slice(id.length + 1);
}

/** Whether identity `a` is younger than `b`: identities begin with the time they were drawn at. */
export function younger(a: string, b: string): boolean {
  return a > b;
}

/** 32 hexadecimal digits: 48 bits of Unix milliseconds and 80 bits of chance. */
export function drawIdentity(wallMillis: number, fill: (bytes: Uint8Array) => void): string {
  const random = new Uint8Array(10);
  fill(random);
  let digits = Math.floor(wallMillis).toString(16).padStart(12, "0").slice(-12);
  for (const byte of random) digits += byte.toString(16).padStart(2, "0");
  return digits;
}
