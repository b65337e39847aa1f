/**
 * What the machine wants done. It never does anything itself: it returns these, in an order that matters (what is
 * remembered comes before what is said). The outbound performs them while this server speaks, and drops those that speak
 * while it is passive.
 */
import type { PackedMessages } from "../protocol/operations.ts";
import type { Millis, Sequence } from "../protocol/units.ts";
import type { SubscriptionState } from "../protocol/stored_records.ts";
import type { Client, Subscription } from "./state.ts";

export type Effect =
  // Remembered: performed on every replica, in order, whoever leads. An operation's own come before its outcome is told.
  /** Write this client's record, or replace it. */
  | { readonly kind: "store client"; readonly client: Client }
  | { readonly kind: "forget client"; readonly clientId: string }
  /** Write the subscription's record: a new one, or changed fields (pending is kept); `forget` deletes it with its pending. */
  | {
    readonly kind: "store subscription";
    readonly how: "create" | "update" | "forget";
    readonly channel: string;
    readonly state: SubscriptionState;
  }
  // Said and done: by the one who leads.
  /** Listen for acks on `subscription.ackInbox`; the subscription must be known to NATS before the client hears of it. */
  | { readonly kind: "listen"; readonly subscription: Subscription }
  | { readonly kind: "unlisten"; readonly subscription: Subscription }
  /** Note in the store, and report to followers, that these were delivered. Precedes the "deliver" for the same sequences. */
  | { readonly kind: "sent"; readonly subscription: Subscription; readonly sequences: readonly Sequence[] }
  /** Note in the store, and report, that these are done with: acked, implicitly acked, or moved to another member. */
  | { readonly kind: "acked"; readonly subscription: Subscription; readonly sequences: readonly Sequence[] }
  /**
   * Read and publish these messages to `subscription.inbox`, in this order. Runs of adjacent sequences are read in one go.
   * `counts[i]` is the redelivery count of `sequences[i]`; absent on first delivery. A message that is gone from the
   * store is told to {@link Machine.missing}; one that could not be read or sent, to {@link Machine.undelivered}.
   */
  | {
    readonly kind: "deliver";
    readonly subscription: Subscription;
    readonly sequences: readonly Sequence[];
    readonly counts?: readonly number[];
  }
  /**
   * Call {@link Machine.deliver} for this channel once the input at hand is handled: room opened, or there is more to give
   * out than one call does. Asked once until then.
   */
  | { readonly kind: "more"; readonly channel: string }
  /**
   * Acknowledge these publishes, perhaps again: an earlier leader may not have come to it. Their fields are left out; the
   * bytes are valid until the next operation is applied.
   */
  | { readonly kind: "acknowledge"; readonly messages: PackedMessages }
  /** Call {@link Machine.wake} with `key` at `at` (monotonic); replaces an earlier wake-up under the same key. `Infinity` cancels. */
  | { readonly kind: "wake"; readonly key: WakeKey; readonly at: Millis }
  /** Ask the client for a heartbeat on its inbox; tell {@link Machine.heartbeat} what came of it. */
  | { readonly kind: "heartbeat"; readonly clientId: string }
  /** Propose to disconnect this client: it missed too many heartbeats. Goes through the barrier as a close request does. */
  | { readonly kind: "evict client"; readonly clientId: string }
  /** Propose to delete this channel: nobody has used it for its max_inactivity. Queued behind publishes received earlier. */
  | {
    readonly kind: "delete channel";
    readonly channel: string;
    readonly incarnation: number;
    readonly last: Sequence;
  }
  /** A line for the log. */
  | { readonly kind: "log"; readonly level: "notice" | "warn" | "error" | "debug"; readonly text: string };

/** Readable names of deadlines: `ack/<channel>/<subscription id>`, `heartbeat/<client>`, `idle/<channel>`. */
export type WakeKey = string;
