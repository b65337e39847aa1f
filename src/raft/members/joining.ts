/**
 * Getting into a running cluster and out of it: join requests, and the operator's requests to add and remove nodes (spec
 * clustering, sections 3.3 and 7). Only the leader answers.
 */
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { Inbound, MessageBus, Subscription } from "../../ports/message_bus.ts";
import type { Millis } from "../../protocol/units.ts";
import { type ChangeResult, isNodeId, memberOf, type MembershipChange, type Raft } from "../core/mod.ts";
import { addSubject, joinSubject, removeSubject } from "../wire/mod.ts";
import { askToJoin, JOIN_VERSION, JoinReply, JoinRequest, sumOf } from "./join_request.ts";

export interface JoiningParts {
  readonly bus: MessageBus;
  readonly operators: MessageBus;
  readonly clock: Clock;
  readonly log: Log;
  readonly clusterId: string;
  readonly nodeId: string;
  readonly boot: string;
  readonly allowAddRemoveNode: boolean;
  /** Asks the core for a change; only while this node leads. */
  change(change: MembershipChange): ChangeResult;
  status(): ReturnType<Raft["status"]>;
  /** Whether this node leads. */
  leads(): boolean;
  /** The incarnation under which a node that is no member was heard lately. */
  contacted(nodeId: string): string | undefined;
  stopped(): boolean;
}

/** What passes: a new leader, for one, has not heard yet who is alive. */
const PENDING = new Set(["change pending", "term not committed", "transferring", "quorum at risk"]);
const PATIENCE: Millis = 2000;
/** A member that was not heard for so long may be replaced by one of the same name that waits. */
const SILENT_TICKS = 200;

export class Joining {
  readonly #parts: JoiningParts;
  readonly #subscriptions: Subscription[];
  #operators: Subscription[] = [];

  constructor(parts: JoiningParts) {
    this.#parts = parts;
    this.#subscriptions = [parts.bus.subscribe(joinSubject(parts.clusterId), (inbound) => this.#join(inbound))];
  }

  /** Opens or closes the operator's requests: whoever does not lead does not listen, so that asking fails at once. */
  serve(leading: boolean): void {
    const { operators, clusterId, allowAddRemoveNode } = this.#parts;
    if (!allowAddRemoveNode || leading === this.#operators.length > 0) return;
    if (!leading) {
      for (const subscription of this.#operators.splice(0)) subscription.unsubscribe();
      return;
    }
    this.#operators = [
      operators.subscribe(addSubject(clusterId), (inbound) => this.#operator(inbound, "adding")),
      operators.subscribe(removeSubject(clusterId), (inbound) => this.#operator(inbound, "removing")),
    ];
  }

  /** Asks to become a member until a leader has taken it in, `enough` says so, or it is refused for good (a text). */
  async join(
    self: { incarnation: string; boot: string; identity: () => string },
    enough: () => boolean,
  ): Promise<string | undefined> {
    const { bus, clock, clusterId, nodeId, log } = this.#parts;
    let pause: Millis = 50;
    let said = clock.now();
    while (!this.#parts.stopped() && !enough()) {
      const reply = await askToJoin(bus, clusterId, { ...self, nodeId, identity: self.identity() });
      if (reply?.error === "") return undefined;
      if (reply?.code === "refused") return reply.error;
      if (clock.now() - said >= 10_000) {
        said = clock.now();
        log.warn(`still trying to join Raft group ${clusterId}: no leader has answered`);
      }
      await waited(clock, pause);
      pause = Math.min(pause * 2, 1000);
    }
    return undefined;
  }

  close(): void {
    for (const subscription of [...this.#subscriptions, ...this.#operators]) subscription.unsubscribe();
  }

  #join(inbound: Inbound): void {
    if (!this.#parts.leads()) return;
    const reply = inbound.buffer.slice(inbound.replyStart, inbound.replyEnd);
    let request;
    try {
      request = JoinRequest.decode(inbound.buffer, inbound.payloadStart, inbound.payloadEnd);
    } catch {
      return;
    }
    // This node asked before it came to lead.
    if (request.boot === this.#parts.boot) return;
    // Damaged on the way: it asks again.
    if ((request.version !== 0 || request.sum !== 0) && request.sum !== sumOf(request)) return;
    void this.#takeIn(request, reply);
  }

  async #takeIn(request: JoinRequest, reply: Uint8Array): Promise<void> {
    const { bus, nodeId, log } = this.#parts;
    const answer = (error: string, code: string) =>
      bus.publish(reply, JoinReply.encode({ error, code, identity: this.#parts.status().identity }));
    if (request.version !== JOIN_VERSION || request.incarnation === "") {
      answer(
        "this cluster does not speak the protocol of the joining server: Go and Deno nodes cannot be mixed",
        "refused",
      );
      return;
    }
    const { identity } = this.#parts.status();
    if (request.nodeId === nodeId) {
      return void answer(`node ID ${JSON.stringify(nodeId)} is in use by the leader`, "refused");
    }
    if (request.identity !== "" && request.identity !== identity) {
      return void answer(`the joining node belongs to cluster ${request.identity}, this one is ${identity}`, "refused");
    }
    const error = await this.#change({ kind: "add", id: request.nodeId, incarnation: request.incarnation });
    if (error === undefined) log.notice(`Added node ${JSON.stringify(request.nodeId)}`);
    answer(error ?? "", error === undefined ? "" : "retry");
  }

  #operator(inbound: Inbound, what: "adding" | "removing"): void {
    const reply = inbound.buffer.slice(inbound.replyStart, inbound.replyEnd);
    const text = new TextDecoder().decode(inbound.buffer.subarray(inbound.payloadStart, inbound.payloadEnd));
    const force = text.endsWith(" force");
    const id = force ? text.slice(0, -6) : text;
    void this.#serveOperator(what, id, force).then((error) => {
      const answer = error === undefined ? "+OK" : `-ERR ${what} node ${JSON.stringify(id)}: ${error}`;
      if (error !== undefined) this.#parts.log.error(`Error ${what} node ${JSON.stringify(id)}: ${error}`);
      else this.#parts.log.notice(`${what === "adding" ? "Added" : "Removed"} node ${JSON.stringify(id)}`);
      if (reply.length > 0) this.#parts.operators.publish(reply, new TextEncoder().encode(answer));
    });
  }

  #serveOperator(what: "adding" | "removing", id: string, force: boolean): Promise<string | undefined> {
    const { membership, peers } = this.#parts.status();
    const member = memberOf(membership.membership, id);
    if (what === "removing") {
      return member === undefined ? Promise.resolve(undefined) : this.#change({ kind: "remove", id, force });
    }
    if (!isNodeId(id)) return Promise.resolve("invalid node ID");
    const incarnation = this.#parts.contacted(id);
    // The member may be gone, and another incarnation of it wait: then that is the one that is meant.
    const isSilent = peers.some((peer) => peer.id === id && peer.silentTicks > SILENT_TICKS);
    const another = incarnation !== undefined && incarnation !== member?.incarnation;
    if (member !== undefined && !(isSilent && another)) return Promise.resolve(undefined);
    if (incarnation === undefined && !force) {
      return Promise.resolve('no such node has contacted this cluster; start it first, or append " force"');
    }
    return this.#change({ kind: "add", id, incarnation: incarnation ?? "" });
  }

  /** Answers when the change is committed (`undefined`) or with why it is not. */
  async #change(change: MembershipChange): Promise<string | undefined> {
    const { clock } = this.#parts;
    const end = clock.now() + PATIENCE;
    for (;;) {
      const result = this.#parts.change(change);
      if (result.kind === "unchanged") {
        // What was asked for twice may be on its way still.
        const { membership, hardState } = this.#parts.status();
        return await this.#committed(membership.index, hardState.term, end + PATIENCE);
      }
      if (result.kind === "appended") return await this.#committed(result.index, result.term, end + PATIENCE);
      if (!PENDING.has(result.reason) || clock.now() >= end) return reasonText(result.reason);
      await waited(clock, 20);
    }
  }

  async #committed(index: number, term: number, end: Millis): Promise<string | undefined> {
    for (;;) {
      const status = this.#parts.status();
      if (status.hardState.term === term && status.commit >= index) return undefined;
      const lost = status.hardState.term !== term || !this.#parts.leads() || this.#parts.stopped();
      if (lost) return "leadership lost while committing log";
      if (this.#parts.clock.now() >= end) return "timed out waiting for a majority";
      await waited(this.#parts.clock, 10);
    }
  }
}

function reasonText(reason: string): string {
  if (reason === "quorum at risk") {
    return 'too few of the remaining voters are alive; append " force" to do it nevertheless';
  }
  return reason;
}

/** Answers after `pause`. */
export function waited(clock: Clock, pause: Millis): Promise<void> {
  return new Promise((resolve) => clock.wakeAt(clock.now() + pause, resolve));
}
