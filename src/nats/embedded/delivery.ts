/** Hands one message to everybody interested: plain subscriptions, one member of each queue group, other servers. */
import type { Match, MatchedGroup, RemoteInterest, Subscription } from "./subjects/mod.ts";
import type { Message } from "./message.ts";
import type { Random } from "../../ports/random.ts";

/** A connection to another server, as delivery sees it. */
export interface RouteLink {
  /** Whether it is gone; what was wanted there is being forgotten. */
  readonly closed: boolean;
  /**
   * Sends a message once: for the plain subscriptions there, and for one member of each of `queues` (names with one
   * character a byte; the list is reused). The message is valid during the call only.
   */
  send(account: string, message: Message, queues: readonly string[]): void;
}

/** Everybody interested in a subject of one account. */
export type Interested = Match<Subscription, RemoteInterest<RouteLink>>;

type Group = MatchedGroup<Subscription, RemoteInterest<RouteLink>>;

export class Delivery {
  #chance: number;
  /** The routes that the message at hand goes to, and the queue groups each serves. */
  readonly #links: RouteLink[] = [];
  readonly #queues: string[][] = [];
  #linkCount = 0;

  constructor(random: Random) {
    this.#chance = random.below(2 ** 32) | 1;
  }

  /** A message from a client or bus of this server. Returns whether anybody got it, here or elsewhere. */
  fromClient(account: string, interested: Interested, message: Message): boolean {
    let delivered = this.#toLocals(interested.locals, message);
    if (interested.remotes.length === 0 && interested.groups.length === 0) return delivered;
    this.#linkCount = 0;
    for (let i = 0; i < interested.remotes.length; i++) {
      const remote = interested.remotes[i]!;
      if (remote.active && !remote.route.closed) this.#link(remote.route);
    }
    for (let i = 0; i < interested.groups.length; i++) {
      if (this.#toGroup(interested.groups[i]!, message)) delivered = true;
    }
    for (let i = 0; i < this.#linkCount; i++) {
      this.#links[i]!.send(account, message, this.#queues[i]!);
      delivered = true;
    }
    return delivered;
  }

  /** A message from another server: only for this server's own, and only for the groups that it names. */
  fromRoute(interested: Interested, message: Message, queues: readonly string[]): boolean {
    let delivered = this.#toLocals(interested.locals, message);
    for (let i = 0; i < queues.length; i++) {
      const group = interested.groups.find((candidate) => candidate.name === queues[i]);
      if (group === undefined || group.locals.length === 0) continue;
      if (this.#toMember(group.locals, this.#below(group.locals.length), message)) delivered = true;
    }
    return delivered;
  }

  #toLocals(locals: readonly Subscription[], message: Message): boolean {
    let delivered = false;
    for (let i = 0; i < locals.length; i++) {
      const subscription = locals[i]!;
      // It may have ended since the match was made.
      if (subscription.place !== undefined && subscription.target.deliver(subscription, message)) delivered = true;
    }
    return delivered;
  }

  /** Every member here counts once, every other server as often as it has members; the start is chosen evenly. */
  #toGroup(group: Group, message: Message): boolean {
    const local = group.locals.length;
    const total = local + group.remoteWeight;
    if (total === 0) return false;
    const start = total === 1 ? 0 : this.#below(total);
    if (start < local) {
      return this.#toMember(group.locals, start, message) || this.#toRemoteMember(group, 0);
    }
    return this.#toRemoteMember(group, start - local) || this.#toMember(group.locals, 0, message);
  }

  #toMember(members: readonly Subscription[], start: number, message: Message): boolean {
    const count = members.length;
    for (let i = 0; i < count; i++) {
      const member = members[(start + i) % count]!;
      if (member.place !== undefined && member.target.deliver(member, message)) return true;
    }
    return false;
  }

  #toRemoteMember(group: Group, start: number): boolean {
    const remotes = group.remotes;
    let at = 0;
    for (let passed = 0; at < remotes.length; at++) {
      passed += remotes[at]!.weight;
      if (start < passed) break;
    }
    for (let i = 0; i < remotes.length; i++) {
      const remote = remotes[(at + i) % remotes.length]!;
      if (!remote.active || remote.route.closed) continue;
      this.#queues[this.#link(remote.route)]!.push(group.name);
      return true;
    }
    return false;
  }

  /** Notes that the message goes to a route; the index of its list of queues. */
  #link(route: RouteLink): number {
    for (let i = 0; i < this.#linkCount; i++) if (this.#links[i] === route) return i;
    const index = this.#linkCount++;
    this.#links[index] = route;
    const queues = this.#queues[index];
    if (queues === undefined) this.#queues[index] = [];
    else queues.length = 0;
    return index;
  }

  /** A fast number from 0 up to, not including, `bound`: members of a group share evenly, nothing more is asked of it. */
  #below(bound: number): number {
    let x = this.#chance;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#chance = x;
    return (x >>> 0) % bound;
  }
}
