/** Interest across one route: what the other server wants, and what it is told of this one (spec nats-server, section 3.3). */
import type { Account } from "../account.ts";
import { latin1Bytes } from "../../wire/frames.ts";
import { RemoteInterest } from "../subjects/mod.ts";
import type { RouteLink } from "../delivery.ts";
import type { RoutePermissions } from "./route_permissions.ts";

/** Lines told at once before other work gets its turn: a whole interest may have hundreds of thousands. */
const TOLD_AT_ONCE = 2_000;

/** What the other server wants. */
export class WantedThere {
  readonly #route: RouteLink;
  readonly #permissions: RoutePermissions;
  readonly #interests = new Map<string, { account: Account; interest: RemoteInterest<RouteLink> }>();

  constructor(route: RouteLink, permissions: RoutePermissions) {
    this.#route = route;
    this.#permissions = permissions;
  }

  get size(): number {
    return this.#interests.size;
  }

  /** Takes an `RS+`; the same again only changes the weight. The subject must be valid. */
  add(account: Account, subject: string, queue: string | undefined, weight: number): void {
    const key = keyOf(account, subject, queue);
    const known = this.#interests.get(key);
    if (known !== undefined) {
      if (known.interest.weight !== weight) account.tree.setWeight(known.interest, weight);
      return;
    }
    if (!this.#permissions.mayHonour(subject)) return;
    const interest = new RemoteInterest(this.#route, subject, queue, weight);
    this.#interests.set(key, { account, interest });
    account.tree.insertRemote(interest);
  }

  /** Takes an `RS-`. */
  remove(account: Account, subject: string, queue: string | undefined): void {
    const key = keyOf(account, subject, queue);
    const known = this.#interests.get(key);
    if (known === undefined) return;
    this.#interests.delete(key);
    account.tree.remove(known.interest);
  }

  /** Forgets everything: the route is gone. */
  clear(): void {
    for (const { account, interest } of this.#interests.values()) account.tree.remove(interest);
    this.#interests.clear();
  }

  /** `account subject [queue weight]` of each, for monitoring. */
  *[Symbol.iterator](): IterableIterator<RemoteInterest<RouteLink>> {
    for (const { interest } of this.#interests.values()) yield interest;
  }
}

function keyOf(account: Account, subject: string, queue: string | undefined): string {
  return queue === undefined ? `${account.name} ${subject}` : `${account.name} ${subject} ${queue}`;
}

/** The line for a change in this server's own interest; `count` is how many want it now. */
export function interestLine(account: Account, subject: string, queue: string | undefined, count: number): string {
  const what = queue === undefined ? `${account.name} ${subject}` : `${account.name} ${subject} ${queue}`;
  if (count === 0) return `RS- ${what}\r\n`;
  return queue === undefined ? `RS+ ${what}\r\n` : `RS+ ${what} ${count}\r\n`;
}

/**
 * Tells all of this server's own interest, a part at a time. Between two parts `pause` is awaited; it answers `false` when
 * there is nobody to tell any more. Changes meanwhile may be told at once: each line is made from what holds then.
 */
export async function tellEverything(
  accounts: Iterable<Account>,
  permissions: RoutePermissions,
  write: (bytes: Uint8Array) => void,
  pause: () => Promise<boolean>,
): Promise<void> {
  const places: { account: Account; subject: string; queue: string | undefined }[] = [];
  for (const account of accounts) {
    account.forEachLocal((subject, queue) => {
      if (permissions.mayTell(subject)) places.push({ account, subject, queue });
    });
  }
  for (let from = 0; from < places.length; from += TOLD_AT_ONCE) {
    let lines = "";
    for (const { account, subject, queue } of places.slice(from, from + TOLD_AT_ONCE)) {
      const count = account.tree.localsAt(subject, queue);
      if (count > 0) lines += interestLine(account, subject, queue, count);
    }
    if (lines !== "") write(latin1Bytes(lines));
    if (from + TOLD_AT_ONCE < places.length && !await pause()) return;
  }
}
