/**
 * Which requests of clients were carried out lately, by whoever led: a new leader that holds them too must not carry them
 * out once more.
 */
import type { Operation } from "../protocol/operations.ts";
import type { Millis } from "../protocol/units.ts";

/** Known for at least this long, and for twice as long at most. Requests are not held as long. */
const SPAN: Millis = 5_000;
/** Of each span; more are not remembered, see {@link RecentRequests.since}. */
const REMEMBERED_MAX = 50_000;

export class RecentRequests {
  /** How often a request was carried out, by key; in the present span and in the one before. */
  #counts = new Map<string, number>();
  #before = new Map<string, number>();
  #begun: Millis = -Infinity;
  /** Nothing is known of what was carried out earlier. */
  since: Millis = -Infinity;

  /** An operation took effect. */
  note(operation: Operation, now: Millis): void {
    const key = operationKey(operation);
    if (key === undefined) return;
    if (now - this.#begun >= SPAN) {
      this.#before = now - this.#begun < 2 * SPAN ? this.#counts : new Map();
      this.#counts = new Map();
      this.#begun = now;
    }
    if (this.#counts.size >= REMEMBERED_MAX) return this.forget(now);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  /** What was carried out up to now is not known any more. */
  forget(now: Millis): void {
    this.#counts.clear();
    this.#before.clear();
    this.since = now;
  }

  /** Whether a request of this key was carried out. */
  has(key: string): boolean {
    return (this.#counts.get(key) ?? 0) > 0 || (this.#before.get(key) ?? 0) > 0;
  }

  /** As {@link has}, where each time counts for one request. */
  take(key: string): boolean {
    for (const counts of [this.#before, this.#counts]) {
      const count = counts.get(key) ?? 0;
      if (count === 0) continue;
      counts.set(key, count - 1);
      return true;
    }
    return false;
  }
}

/** By what the request behind an operation is known; `undefined` for one that has none which could come twice. */
function operationKey(operation: Operation): string | undefined {
  switch (operation.kind) {
    case "connect":
      return connectKey(operation.clientId, operation.heartbeatInbox);
    case "disconnect":
      return closeKey(operation.clientId);
    case "subscribe":
      return subscribeKey(operation.clientId, operation.channel, operation.inbox);
    case "unsubscribe":
      return unsubscribeKey(operation.clientId, operation.channel, operation.inbox);
    default:
      return undefined;
  }
}

export function connectKey(clientId: string, heartbeatInbox: string): string {
  return `connect ${clientId} ${heartbeatInbox}`;
}

export function closeKey(clientId: string): string {
  return `close ${clientId}`;
}

export function subscribeKey(clientId: string, channel: string, inbox: string): string {
  return `subscribe ${clientId} ${channel} ${inbox}`;
}

export function unsubscribeKey(clientId: string, channel: string, inbox: string): string {
  return `unsubscribe ${clientId} ${channel} ${inbox}`;
}
