/** What one user may publish and subscribe to (spec nats-server, section 4.4). */
import type { Clock } from "../../../ports/clock.ts";
import { covers, matches, splitEntry, type Subscription } from "../subjects/mod.ts";
import type { Message } from "../message.ts";
import type { Millis } from "../../../protocol/units.ts";
import type { PermissionRules } from "../options.ts";
import { sameBytes } from "../../wire/frames.ts";

/** Publish subjects whose answer is remembered. */
const REMEMBERED = 128;
/** Reply subjects that may be open at once; beyond that the expired ones go, then the oldest. */
const MAX_REPLIES = 4_096;
const USUAL_EXPIRY: Millis = 120_000;

interface Reply {
  readonly since: Millis;
  sent: number;
}

interface SubscribeEntry {
  readonly subject: string;
  readonly queue: string | undefined;
}

/** The rights of one connection. Subjects hold one character a byte. */
export class Permissions {
  readonly #clock: Clock;
  readonly #publishAllow: readonly string[] | undefined;
  readonly #publishDeny: readonly string[];
  readonly #subscribeAllow: readonly SubscribeEntry[] | undefined;
  readonly #subscribeDeny: readonly SubscribeEntry[];
  readonly #maxReplies: number;
  readonly #expiry: Millis;
  /** Requests that may be answered; `undefined` when replies have no rule of their own. */
  readonly #replies: Map<string, Reply> | undefined;
  readonly #published = new Map<string, boolean>();
  readonly #lastSubject = new Uint8Array(256);
  #lastLength = -1;
  #lastAnswer = false;

  constructor(rules: PermissionRules, clock: Clock) {
    this.#clock = clock;
    const allow = rules.publish?.allow ?? [];
    const repliesOnly = rules.responses !== undefined && allow.length === 0;
    this.#publishAllow = allow.length > 0 || repliesOnly ? allow : undefined;
    this.#publishDeny = rules.publish?.deny ?? [];
    const subscribe = (rules.subscribe?.allow ?? []).map(splitEntry);
    this.#subscribeAllow = subscribe.length > 0 ? subscribe : undefined;
    this.#subscribeDeny = (rules.subscribe?.deny ?? []).map(splitEntry);
    this.#replies = rules.responses === undefined ? undefined : new Map();
    this.#maxReplies = rules.responses?.max ?? 1;
    this.#expiry = rules.responses?.expires ?? USUAL_EXPIRY;
  }

  /** Whether the message's subject may be published to. Counts replies, where only those are allowed. */
  mayPublish(message: Message): boolean {
    const length = message.subjectEnd - message.subjectStart;
    const { buffer, subjectStart } = message;
    if (length === this.#lastLength && sameBytes(this.#lastSubject, 0, buffer, subjectStart, length)) {
      return this.#lastAnswer;
    }
    const subject = message.subjectText;
    if (this.#mayPublishSubject(subject)) {
      this.#rememberLast(message, length, true);
      return true;
    }
    return this.#replies !== undefined && this.#mayReply(subject);
  }

  /** Whether a subscription may be made; `queue` is its group. */
  maySubscribe(subject: string, queue: string | undefined): boolean {
    return this.#subscriptionAllowed(subject, queue) && !this.#subscriptionDenied(subject, queue);
  }

  /** Whether a message that a wide subscription matches may reach its holder. */
  mayReceive(subscription: Subscription, message: Message): boolean {
    // A literal subscription on a denied subject was refused in the first place.
    if (subscription.literal || this.#subscribeDeny.length === 0) return true;
    const subject = message.subjectText;
    return !this.#subscribeDeny.some((entry) => entry.queue === undefined && matches(entry.subject, subject));
  }

  /** A message was delivered: its reply subject may be answered now. */
  received(message: Message): void {
    if (this.#replies === undefined || !message.hasReply) return;
    if (this.#replies.size >= MAX_REPLIES) this.#pruneReplies();
    this.#replies.set(message.replyText, { since: this.#clock.now(), sent: 0 });
  }

  #rememberLast(message: Message, length: number, answer: boolean): void {
    if (length > this.#lastSubject.length) return;
    this.#lastSubject.set(message.buffer.subarray(message.subjectStart, message.subjectEnd));
    this.#lastLength = length;
    this.#lastAnswer = answer;
  }

  #mayPublishSubject(subject: string): boolean {
    const known = this.#published.get(subject);
    if (known !== undefined) return known;
    const allowed = (this.#publishAllow?.some((entry) => matches(entry, subject)) ?? true) &&
      !this.#publishDeny.some((entry) => matches(entry, subject));
    if (this.#published.size >= REMEMBERED) this.#published.clear();
    this.#published.set(subject, allowed);
    return allowed;
  }

  #mayReply(subject: string): boolean {
    const reply = this.#replies!.get(subject);
    if (reply === undefined) return false;
    reply.sent++;
    const spent = this.#maxReplies > 0 && reply.sent > this.#maxReplies;
    if (!spent && !this.#expired(reply)) return true;
    this.#replies!.delete(subject);
    return false;
  }

  #expired(reply: Reply): boolean {
    return this.#expiry > 0 && this.#clock.now() - reply.since > this.#expiry;
  }

  #pruneReplies(): void {
    for (const [subject, reply] of this.#replies!) if (this.#expired(reply)) this.#replies!.delete(subject);
    for (const subject of this.#replies!.keys()) {
      if (this.#replies!.size < MAX_REPLIES) return;
      this.#replies!.delete(subject);
    }
  }

  /** An entry with a queue opens its subject to that group only; beside a plain entry it limits which groups. */
  #subscriptionAllowed(subject: string, queue: string | undefined): boolean {
    if (this.#subscribeAllow === undefined) return true;
    const covering = this.#subscribeAllow.filter((entry) => covers(entry.subject, subject));
    const groups = covering.filter((entry) => entry.queue !== undefined);
    if (queue !== undefined && groups.length > 0) return groups.some((entry) => covers(entry.queue!, queue));
    return covering.length > groups.length;
  }

  #subscriptionDenied(subject: string, queue: string | undefined): boolean {
    return this.#subscribeDeny.some((entry) =>
      covers(entry.subject, subject) &&
      (entry.queue === undefined || (queue !== undefined && covers(entry.queue, queue)))
    );
  }
}
