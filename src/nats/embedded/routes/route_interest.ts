/** Interest across one route: what the other server wants, and what it is told of this one (spec nats-server, section 3.3). */
import type { Account } from "../account.ts";
import type { Clock } from "../../../ports/clock.ts";
import { latin1Bytes } from "../../wire/frames.ts";
import { RemoteInterest } from "../subjects/mod.ts";
import type { RouteLink } from "../delivery.ts";
import type { RoutePermissions } from "./route_permissions.ts";

/** Lines told at once before other work gets its turn: a whole interest may have hundreds of thousands. */
const TOLD_AT_ONCE = 2_000;
/** As many are forgotten at once. */
const FORGOTTEN_AT_ONCE = 2_000;

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

  /** Forgets everything, a part per turn: the route is gone, and takes no messages meanwhile. */
  clear(clock: Clock): void {
    const rest = this.#interests.values();
    const forgetPart = () => {
      for (let i = 0; i < FORGOTTEN_AT_ONCE; i++) {
        const next = rest.next();
        if (next.done === true) return this.#interests.clear();
        next.value.account.tree.remove(next.value.interest);
      }
      clock.soon(forgetPart);
    };
    forgetPart();
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
 * there is nobody to tell any more. Changes meanwhile are told at once by others: each line is made from what holds then.
 */
export async function tellEverything(
  accounts: Iterable<Account>,
  permissions: RoutePermissions,
  write: (bytes: Uint8Array) => void,
  pause: () => Promise<boolean>,
): Promise<void> {
  let lines = "";
  let told = 0;
  for (const account of accounts) {
    for (const { subject, queue, count } of account.tree.localPlaces()) {
      if (!permissions.mayTell(subject)) continue;
      lines += interestLine(account, subject, queue, count);
      if (++told % TOLD_AT_ONCE !== 0) continue;
      write(latin1Bytes(lines));
      lines = "";
      if (!await pause()) return;
    }
  }
  if (lines !== "") write(latin1Bytes(lines));
}
