/**
 * The only door to the streaming state. Everything here is synchronous and pure but for its own state: time comes in as
 * an argument, what must happen comes out as effects. The same machine runs alone and in a cluster.
 */
import type { DeliveryFact, Operation } from "../protocol/operations.ts";
import type { Outcome, Refusal } from "../protocol/outcomes.ts";
import type { Millis, Nanos, Sequence } from "../protocol/units.ts";
import {
  createChannel,
  deleteChannel,
  expire,
  idled,
  keepChannel,
  planChannel,
  publish,
  setLimits,
} from "./channel.ts";
import { connect, disconnect, heartbeat, heartbeatDue, pinged } from "./clients.ts";
import { Context, type MachineSettings } from "./context.ts";
import { acknowledge, deliver } from "./delivery.ts";
import { digestAfter } from "./digest.ts";
import type { Effect, WakeKey } from "./effects.ts";
import { follow, lead, learn, statement, type TimestampOf } from "./leadership.ts";
import type { KnownPublishes } from "./recent_publishes.ts";
import { missing, overdue, redeliverAll, undelivered } from "./redelivery.ts";
import { encodeSnapshot, type FirstOf, recentPublishes, restoreSnapshot, SnapshotWriting } from "./snapshot.ts";
import { type Client, emptyState, type State, type Subscription } from "./state.ts";
import { revoke, subscribe, unsubscribe } from "./subscribing.ts";

export type { MachineSettings } from "./context.ts";

const ALLOWED = { kind: "allowed" } as const;

/** The contract that the server is written against; see the doc comments of {@link Machine}. */
export interface MachineDoor {
  readonly state: State;
  /** Effects since the last take, in order. */
  takeEffects(): Effect[];

  // Replicated: the same calls in the same order on every replica.
  /**
   * Applies an operation agreed at `index`. The messages of a publish and the creation of a channel are in the store
   * already; what else must be stored comes out as "store …" and "forget …" effects, together with "sent" and "acked"
   * ones for pending messages that changed hands.
   */
  apply(operation: Operation, index: number, now: Millis): Outcome;
  /**
   * Whether `create channel` will be accepted: asked before the channel's store is made. Fine when it exists already. May
   * be asked for several operations before they are applied in the same order.
   */
  mayCreate(channel: string): Refusal | { readonly kind: "allowed" };
  /** Follower: what the leader reported at one time. */
  learn(facts: readonly DeliveryFact[]): void;
  /** The state at once: the same bytes on every replica. */
  snapshot(): Uint8Array;
  /**
   * Begins a snapshot of the state as it is now, with what was published lately and where the messages of each channel begin,
   * to be written in steps while the state goes on. One at a time.
   */
  beginSnapshot(now: Millis, firstOf?: FirstOf): SnapshotWriting;
  endSnapshot(): void;
  restore(snapshot: Uint8Array, now: Millis): void;

  // Leader only.
  /** Rebuilds what only a leader knows and asks for listens, heartbeats, idle timers and redeliveries. `timestampOf` answers 0n for a message that is gone. */
  lead(now: Millis, wall: Nanos, timestampOf: (channel: string, sequence: Sequence) => Nanos): void;
  /** Which publishes were applied here lately; as far back as the setting `acknowledgeAgain` asks. */
  knownPublishes(now: Millis): KnownPublishes;
  /** What this server knows of all deliveries: a new leader tells it to replicas that may believe something else. */
  statement(): DeliveryFact[];
  /** Forgets what only a leader knows. */
  follow(): void;
  /** The client has been told that it is subscribed: redelivers what a durable left pending, then delivers. */
  started(subscription: Subscription, now: Millis): void;
  /** Gives out what can be given out now on a channel. `first` is the store's first sequence. Bounded work per call; asks to be called again by "more". */
  deliver(channel: string, first: Sequence, now: Millis): void;
  acknowledge(subscription: Subscription, sequence: Sequence, now: Millis): void;
  /** A message chosen for delivery is gone from the store. */
  missing(subscription: Subscription, sequence: Sequence, now: Millis): void;
  /** Messages chosen for first delivery could not be published (disconnected, inbox invalid) or read. */
  undelivered(subscription: Subscription, sequences: readonly Sequence[], now: Millis): void;
  wake(key: WakeKey, now: Millis): void;
  heartbeat(clientId: string, answered: boolean, now: Millis): void;
  /** The client pinged: if it misses heartbeats it is asked again at once. */
  pinged(client: Client, now: Millis): void;
  /** The deletion of a channel that was asked for did not come about: its wait starts again. */
  deletionFailed(channel: string, now: Millis): void;
  /** The store refused the record of a subscription just attached: a new one disappears, a resumed one is offline again. */
  revoke(subscription: Subscription, now: Millis): void;
}

export class Machine implements MachineDoor {
  readonly state: State;
  readonly #context: Context;
  /** A snapshot that is being written. */
  #writing: SnapshotWriting | undefined;

  /** `state`: what was recovered from a store ({@link recoverState}); empty when absent. */
  constructor(settings: MachineSettings, state: State = emptyState()) {
    this.state = state;
    this.#context = new Context(state, settings);
  }

  /** Whether {@link lead} was called last, rather than {@link follow}. */
  get leading(): boolean {
    return this.#context.leading;
  }

  takeEffects(): Effect[] {
    return this.#context.take();
  }

  apply(operation: Operation, index: number, now: Millis): Outcome {
    if (this.#writing !== undefined) this.#beforeOperation(operation);
    const outcome = this.#apply(operation, index, now);
    this.state.digest = digestAfter(this.state, operation, outcome);
    return outcome;
  }

  #apply(operation: Operation, index: number, now: Millis): Outcome {
    const context = this.#context;
    switch (operation.kind) {
      case "publish":
        return publish(context, operation, now);
      case "create channel":
        return createChannel(context, operation, index, now);
      case "delete channel":
        return deleteChannel(context, operation, now);
      case "connect":
        return connect(context, operation, now);
      case "disconnect":
        return disconnect(context, operation, now);
      case "subscribe":
        return subscribe(context, operation, now);
      case "unsubscribe":
        return unsubscribe(context, operation, now);
      case "expire":
        return expire(context, operation);
      case "set limits":
        return setLimits(context, operation, now);
    }
  }

  mayCreate(channel: string): Refusal | { readonly kind: "allowed" } {
    return planChannel(this.#context, channel) ?? ALLOWED;
  }

  learn(facts: readonly DeliveryFact[]): void {
    for (const { channel } of facts) this.#beforeChannel(channel);
    learn(this.#context, facts);
  }

  snapshot(): Uint8Array {
    return encodeSnapshot(this.state);
  }

  beginSnapshot(now: Millis, firstOf: FirstOf = () => 0): SnapshotWriting {
    const recent = this.#context.recentPublishes.newest(now);
    return this.#writing = new SnapshotWriting(this.state, { recent, firstOf });
  }

  endSnapshot(): void {
    this.#writing = undefined;
  }

  /** A snapshot that is being written takes the channel, or those of the client, as they are before they change. */
  #beforeOperation(operation: Operation): void {
    if ("channel" in operation) return this.#beforeChannel(operation.channel);
    if (!("clientId" in operation)) return;
    const client = this.state.clients.get(operation.clientId);
    for (const subscription of client?.subscriptions ?? []) this.#writing!.before(subscription.channel);
  }

  #beforeChannel(name: string): void {
    const channel = this.#writing === undefined ? undefined : this.state.channels.get(name);
    if (channel !== undefined) this.#writing!.before(channel);
  }

  /** Throws when the bytes are no snapshot; the state is untouched then. */
  restore(snapshot: Uint8Array, now: Millis): void {
    while (this.#writing?.step() === true);
    const restored = restoreSnapshot(this.state, snapshot);
    for (const messages of recentPublishes(restored)) this.#context.recentPublishes.add(messages, now);
  }

  lead(now: Millis, wall: Nanos, timestampOf: TimestampOf): void {
    // It touches every channel.
    while (this.#writing?.step() === true);
    lead(this.#context, now, wall, timestampOf);
  }

  knownPublishes(now: Millis): KnownPublishes {
    return this.#context.recentPublishes.known(now);
  }

  statement(): DeliveryFact[] {
    return statement(this.state);
  }

  follow(): void {
    while (this.#writing?.step() === true);
    follow(this.#context);
  }

  started(subscription: Subscription, now: Millis): void {
    if (!this.leading || subscription.offline) return;
    this.#writing?.before(subscription.channel);
    subscription.initialised = true;
    if (subscription.onHold) redeliverAll(this.#context, subscription, now);
    this.#context.askMore(subscription.channel);
  }

  deliver(channel: string, first: Sequence, now: Millis): void {
    const known = this.state.channels.get(channel);
    if (known === undefined) return;
    this.#writing?.before(known);
    known.first = Math.max(first, known.expiredBefore);
    deliver(this.#context, known, now);
  }

  acknowledge(subscription: Subscription, sequence: Sequence, _now: Millis): void {
    this.#writing?.before(subscription.channel);
    if (this.leading) acknowledge(this.#context, subscription, sequence);
  }

  missing(subscription: Subscription, sequence: Sequence, _now: Millis): void {
    this.#writing?.before(subscription.channel);
    if (this.leading) missing(this.#context, subscription, sequence);
  }

  undelivered(subscription: Subscription, sequences: readonly Sequence[], now: Millis): void {
    this.#writing?.before(subscription.channel);
    undelivered(this.#context, subscription, sequences, now);
  }

  wake(key: WakeKey, now: Millis): void {
    const [what, name = "", id] = key.split("/");
    if (what === "heartbeat") {
      const client = this.state.clients.get(name);
      if (client !== undefined) heartbeatDue(this.#context, client);
      return;
    }
    const channel = this.state.channels.get(name);
    if (channel === undefined) return;
    this.#writing?.before(channel);
    if (what === "idle") idled(this.#context, channel, now);
    else if (what === "ack") {
      const subscription = channel.subscriptions.get(Number(id));
      if (subscription !== undefined) overdue(this.#context, subscription, now);
    }
  }

  heartbeat(clientId: string, answered: boolean, now: Millis): void {
    const client = this.state.clients.get(clientId);
    if (client !== undefined) heartbeat(this.#context, client, answered, now);
  }

  pinged(client: Client, now: Millis): void {
    pinged(this.#context, client, now);
  }

  deletionFailed(channel: string, now: Millis): void {
    const known = this.state.channels.get(channel);
    if (known !== undefined) keepChannel(this.#context, known, now);
  }

  revoke(subscription: Subscription, now: Millis): void {
    this.#writing?.before(subscription.channel);
    revoke(this.#context, subscription, now);
  }
}
