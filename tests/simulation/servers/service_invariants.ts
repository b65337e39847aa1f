/**
 * What must be true of the service that clients get, at any time: of acknowledgements, deliveries and leases (spec
 * clustering, section 11.10).
 */
import { MsgProto, PubAck } from "../../../src/protocol/client_messages.ts";
import type { Member } from "../../../src/raft/core/mod.ts";
import type { Subscription } from "../../../src/streaming/state.ts";
import { majorityOf } from "../raft_memberships.ts";
import { Violation } from "../simulation.ts";
import type { Place } from "./cluster_book.ts";
import type { Cluster } from "./cluster_invariant.ts";
import type { Host } from "./host.ts";
import { IDLE, type IdleChannel } from "./idle_channel.ts";
import type { MessageHistory } from "./message_history.ts";
import type { HeldSubscription } from "./simulated_client.ts";

/** So long after a request to connect the server may still ask the client that has the name for a sign of life. */
const PROBING = 5_000;
/** How often queue groups are looked through, in looks. */
const GROUPS_EVERY = 8;

export class ServiceInvariants {
  readonly #cluster: Cluster;
  readonly #history: MessageHistory;
  readonly #idle: IdleChannel;
  /** Payloads by guid. */
  readonly #payloads: ReadonlyMap<string, string>;
  /** Plain subscriptions and durables by the inbox of their acks. */
  readonly #inboxes = new Map<string, string>();
  /** Acks that a serving leader took: process, term, inbox and sequence. */
  readonly #acked = new Set<string>();
  /** When a client last asked to be connected. */
  readonly #connecting = new Map<string, number>();
  /** What clients were told: the highest place in the log whose publish was acknowledged. */
  acknowledged = 0;
  acks = 0;
  #looks = 0;

  constructor(
    cluster: Cluster,
    history: MessageHistory,
    idle: IdleChannel,
    payloads: ReadonlyMap<string, string>,
  ) {
    this.#idle = idle;
    this.#cluster = cluster;
    this.#history = history;
    this.#payloads = payloads;
  }

  /** What entries from `index` on had brought is lost. */
  forget(index: number): void {
    this.acknowledged = Math.min(this.acknowledged, index - 1);
  }

  subscribed(held: HeldSubscription): void {
    if (held.queue === "") this.#inboxes.set(held.ackInbox, held.inbox);
  }

  /** I13: two nodes never serve at the same moment. */
  happened(): void {
    let serving: Host | undefined;
    for (const host of this.#cluster.hosts.values()) {
      if (!host.serving) continue;
      if (serving !== undefined) {
        throw new Violation("I13 one lease at a time", `${serving.name} and ${host.name} serve`);
      }
      serving = host;
    }
  }

  /** `host` sends something to a client. */
  sent(host: Host, subject: string, payload: Uint8Array, now: number): void {
    if (subject.endsWith(".acks")) this.#publishAcknowledged(host, payload);
    else if (subject.includes(".s.")) this.#delivered(host, subject, payload);
    else if (subject.endsWith(".hb") && !this.#asked(subject, now)) this.#needsLease(host, "asks for a heartbeat");
  }

  /** Something arrives at a server: acks of plain subscriptions and durables are noted. */
  arrived(host: Host, subject: string, sequence: () => number): void {
    const inbox = this.#inboxes.get(subject);
    if (inbox === undefined || !host.serving) return;
    const acked = sequence();
    // A leader that does not know of the delivery makes nothing of the ack.
    const isKnown = [...host.node!.server!.machine.state.channels.values()].some((channel) =>
      channel.byAckInbox.get(subject)?.pending.has(acked)
    );
    if (isKnown) this.#acked.add(`${this.#reign(host)} ${inbox} ${acked}`);
  }

  /** I17: a group's message is with one member at a time. */
  looked(host: Host): void {
    if (!host.serving || ++this.#looks % GROUPS_EVERY !== 0) return;
    for (const { groups } of host.node!.server!.machine.state.channels.values()) {
      for (const { members } of groups.values()) this.#onlyOnce(host, members);
    }
  }

  /** I14: a read that began when `acknowledged` was known sees at least that. */
  read(host: Host, applied: number, acknowledged: number): void {
    if (applied >= acknowledged) return;
    throw new Violation(
      "I14 reads are fresh",
      `${host.name} reads at ${applied}, but ${acknowledged} was acknowledged`,
    );
  }

  #onlyOnce(host: Host, members: readonly Subscription[]): void {
    const holders = new Map<number, string>();
    for (const { inbox, pending } of members) {
      for (const sequence of pending.keys()) {
        const other = holders.get(sequence);
        if (other !== undefined) {
          throw new Violation("I17 in flight", `${host.name}: ${sequence} is with ${other} and ${inbox}`);
        }
        holders.set(sequence, inbox);
      }
    }
  }

  /** I8 and I9: what is acknowledged is committed, durable on a majority, and in the store of the node that says so. */
  #publishAcknowledged(host: Host, bytes: Uint8Array): void {
    const { guid, error } = PubAck.decode(bytes);
    if (error !== "") return;
    this.acks++;
    const places = this.#cluster.book.placesOf(guid);
    // The latest counts: what an earlier leader had in another place may have been overruled.
    const durable = places.findLast((place) => this.#isDurable(host, place));
    if (durable === undefined) {
      const where = places.map(({ index, term }) => `${index}/${term}`).join(", ");
      throw new Violation("I8 acknowledged is durable", `${host.name} acknowledges ${guid} (${where || "nowhere"})`);
    }
    this.acknowledged = Math.max(this.acknowledged, durable.index);
    const payload = this.#payloads.get(guid)!;
    if (this.#idle.isFor(payload)) return this.#idle.acknowledged(host, payload);
    if (!this.#history.compare(host) || this.#history.hasGaps) return;
    if (!this.#history.isStored(payload)) {
      throw new Violation("I9 stored once", `${host.name} acknowledges ${guid}, which it has not stored`);
    }
  }

  /** Whether a majority has what is in this place on its disks. */
  #isDurable(host: Host, { index, term }: Place): boolean {
    const { book, hosts, synced } = this.#cluster;
    const held = (member: Member) => {
      if (book.lost.has(`${member.id}/${member.incarnation}`)) return true;
      return hosts.get(member.id)?.vouchesFor(index, term, synced) === true;
    };
    // A membership counts from when it is appended, and what was appended before it is counted with it, too.
    const written = [index + 1, host.log.lastIndex + 1].map((at) => book.membershipBefore(host, at).membership);
    if (written.some((membership) => majorityOf(membership, held))) return true;
    // While a leader's disk is full it is not on it.
    return majorityOf({ members: host.node!.journal!.status().members as readonly Member[] }, held);
  }

  /** I13 and I17: within the lease; new messages only while there is room in flight; none that was acknowledged. */
  #delivered(host: Host, inbox: string, payload: Uint8Array): void {
    this.#needsLease(host, "delivers");
    const { sequence, redelivered, subject } = MsgProto.decode(payload);
    if (subject === IDLE) this.#idle.compare(host);
    else if (sequence > this.#history.last(subject)) this.#history.compare(host);
    if (this.#acked.has(`${this.#reign(host)} ${inbox} ${sequence}`)) {
      throw new Violation("I17 in flight", `${host.name} delivers ${sequence} to ${inbox}, which acknowledged it`);
    }
    for (const channel of host.node!.server!.machine.state.channels.values()) {
      for (const each of channel.byAckInbox.values()) {
        if (each.inbox !== inbox) continue;
        const { id, group, pending, maxInFlight } = each;
        const { name, incarnation } = channel;
        if (group === undefined) {
          this.#cluster.book.positions.delivered(host.name, name, incarnation, id, sequence);
        }
        // Members of a group are dealt what others leave, room or not.
        if (redelivered || group !== undefined || pending.size <= maxInFlight) continue;
        throw new Violation("I17 in flight", `${host.name}: ${inbox} has ${pending.size} of ${maxInFlight} in flight`);
      }
    }
  }

  /** Somebody asks to connect: the server may ask whether the one that has the name is still there. */
  connecting(clientId: string, now: number): void {
    this.#connecting.set(clientId, now);
  }

  #asked(subject: string, now: number): boolean {
    return now - (this.#connecting.get(subject.split(".")[2]!) ?? -Infinity) < PROBING;
  }

  #needsLease(host: Host, what: string): void {
    if (host.serving) return;
    throw new Violation("I13 one lease at a time", `${host.name} ${what} without a lease`);
  }

  #reign(host: Host): string {
    return `${host.name}/${host.boot}/${host.seen.term}`;
  }
}
