/**
 * Requests of a cluster's clients to connect, subscribe, unsubscribe and close. Every node hears them: the leader carries
 * them out, the others keep those of the last moments, so that whoever leads next carries out what fell into the gap, and
 * answers what its predecessor carried out without an answer. As `holding.ts` does for publish requests.
 */
import type { Clock } from "../ports/clock.ts";
import type { Inbound, MessageBus, Subscription } from "../ports/message_bus.ts";
import type { ServerInfo } from "../protocol/stored_records.ts";
import type { Millis } from "../protocol/units.ts";
import { copyOf } from "./latecomers.ts";
import type { RecentRequests } from "./recent_requests.ts";
import { type ClientRequest, clientRequests, type RequestHandlers } from "./requests.ts";

/** How old a request may be when it is carried out late. Clients wait for two seconds, and an answer takes its time. */
const HELD: Millis = 1_500;
const HELD_MAX = 10_000;
const HELD_BYTES_MAX = 8 * 1024 * 1024;
/** How much later than at the leader a request may arrive here. */
const ARRIVAL_SPREAD: Millis = 1_000;

interface Held {
  readonly request: ClientRequest;
  readonly message: Inbound;
  readonly at: Millis;
  readonly known: ReturnType<ClientRequest["known"]>;
  /** The client's connection at that time, as far as this node had come. */
  readonly connection: unknown;
}

export class RequestHolding {
  readonly #bus: MessageBus;
  readonly #clock: Clock;
  readonly #handlers: Pick<RequestHandlers, "sessions" | "subscribing">;
  readonly #recent: RecentRequests;
  /** A client's present connection; `undefined`: none. */
  readonly #connectionOf: (clientId: string) => unknown;
  #held: Held[] = [];
  #bytes = 0;
  #leading = false;
  #subscriptions: Subscription[] = [];

  constructor(
    parts: {
      bus: MessageBus;
      clock: Clock;
      handlers: Pick<RequestHandlers, "sessions" | "subscribing">;
      recent: RecentRequests;
      connectionOf(clientId: string): unknown;
    },
  ) {
    this.#bus = parts.bus;
    this.#clock = parts.clock;
    this.#handlers = parts.handlers;
    this.#recent = parts.recent;
    this.#connectionOf = parts.connectionOf;
  }

  /** Listens from now on, whoever leads. */
  listen(info: ServerInfo): void {
    if (this.#subscriptions.length > 0) return;
    this.#subscriptions = clientRequests(this.#handlers, info).map((request) =>
      this.#bus.subscribe(request.subject, (message) => {
        if (this.#leading) request.handle(message);
        else this.#keep(request, message);
      })
    );
  }

  stop(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
    this.#forget();
  }

  /** Carries out what was held back, in the order of its arrival, and from now on everything at once. */
  lead(): void {
    this.#leading = true;
    const held = this.#held;
    this.#forget();
    // What may have been carried out before anything is known of it must not be carried out again.
    const oldest = Math.max(this.#clock.now() - HELD, this.#recent.since + ARRIVAL_SPREAD);
    const candidates = held.filter((each) => each.at >= oldest && !this.#isOfEarlier(each)).map((each) => {
      const { request, known } = each;
      return { ...each, isDone: known !== undefined && this.#isDone(request, known.key) };
    });
    // What a client asked before something that was carried out was refused, by whoever carried that out; or the client has
    // connected anew since, and gave it up. One that asked again for the same connection gave up the earlier request.
    const done = new Map<string, number>();
    const asked = new Map<string, number>();
    candidates.forEach(({ request, known, isDone }, i) => {
      if (known === undefined) return;
      if (isDone) done.set(known.clientId, i);
      if (request.connects) asked.set(known.key, i);
    });
    candidates.forEach(({ request, message, known, isDone }, i) => {
      if (isDone) request.again(message);
      else if (known === undefined) request.handle(message);
      else if (i >= (done.get(known.clientId) ?? 0) && i >= (asked.get(known.key) ?? 0)) request.handle(message);
    });
  }

  /** Whether it was asked on a connection that has been replaced since: nobody waits for it, and the new one is not meant. */
  #isOfEarlier({ request, known, connection }: Held): boolean {
    if (request.connects || connection === undefined) return false;
    const present = this.#connectionOf(known!.clientId);
    return present !== undefined && present !== connection;
  }

  /** A connection is made once, however often it was asked for; of other requests each is one of its own. */
  #isDone(request: ClientRequest, key: string): boolean {
    return request.connects ? this.#recent.has(key) : this.#recent.take(key);
  }

  follow(): void {
    this.#leading = false;
  }

  /** The state is now another node's: what was held may be in it. */
  replaced(): void {
    this.#recent.forget(this.#clock.now());
  }

  #keep(request: ClientRequest, message: Inbound): void {
    // Nobody waits for an answer.
    if (message.replyEnd === message.replyStart) return;
    const now = this.#clock.now();
    const copy = copyOf(message);
    const known = request.known(copy);
    const connection = known === undefined ? undefined : this.#connectionOf(known.clientId);
    this.#held.push({ request, message: copy, at: now, known, connection });
    this.#bytes += copy.buffer.length;
    let surplus = 0;
    while (surplus < this.#held.length && this.#isSurplus(surplus, now)) {
      this.#bytes -= this.#held[surplus++]!.message.buffer.length;
    }
    if (surplus > 0) this.#held = this.#held.slice(surplus);
  }

  /** Whether the oldest but `before` is not to be kept. */
  #isSurplus(before: number, now: Millis): boolean {
    return this.#held[before]!.at < now - HELD || this.#held.length - before > HELD_MAX ||
      this.#bytes > HELD_BYTES_MAX;
  }

  #forget(): void {
    this.#held = [];
    this.#bytes = 0;
  }
}
