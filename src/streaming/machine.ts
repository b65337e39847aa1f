/**
 * The only door to the streaming state. Everything here is synchronous and pure but for its own state: time comes in as
 * an argument, what must happen comes out as effects. The same machine runs alone and in a cluster.
 */
import type { DeliveryFact, Operation, Publish } from "../protocol/operations.ts";
import type { Outcome, Refusal } from "../protocol/outcomes.ts";
import type { Millis, Nanos, Sequence } from "../protocol/units.ts";
import type { Effect, WakeKey } from "./effects.ts";
import type { State, Subscription } from "./state.ts";

/** What a machine needs to know besides its state. Times in milliseconds. */
export interface MachineSettings {
  readonly heartbeatInterval: Millis;
  readonly heartbeatTimeout: Millis;
  readonly heartbeatFailCount: number;
}

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
  /** Whether `create channel` would be accepted now: asked before the channel's store is made. Fine when it exists already. */
  mayCreate(channel: string): Refusal | { readonly kind: "allowed" };
  /** The indexes of a publish's messages that were stored before (same client and guid), ascending: not to be recorded again. Usually the same empty list. */
  repetitions(publish: Publish): readonly number[];
  /** Follower: what the leader reported. */
  learn(fact: DeliveryFact): void;
  snapshot(): Uint8Array;
  restore(snapshot: Uint8Array): void;

  // Leader only.
  /** Rebuilds what only a leader knows and asks for listens, heartbeats, idle timers and redeliveries. `timestampOf` answers 0n for a message that is gone. */
  lead(now: Millis, wall: Nanos, timestampOf: (channel: string, sequence: Sequence) => Nanos): void;
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
}
