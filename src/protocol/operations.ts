/**
 * What replicas agree on: operations, and facts about deliveries. An operation holds everything that its outcome depends
 * on besides the replicated state: times, ids and inboxes were settled when it was admitted, so that applying it twice,
 * anywhere, ends in the same state (spec clustering, sections 4.1 and 4.5). Sequences, subscription ids and channel
 * incarnations are counted while applying, so that an operation that was never agreed uses none up.
 */
import type { Nanos, Sequence } from "./units.ts";

/**
 * Messages in the order they arrived, packed into one buffer so that none of them is an object. Message `i` has five
 * marks in `bounds`, from index `5 * i`:
 *
 *     bytes:  | fields: MsgProto 2..4 | guid | reply subject | client |
 *             ^0                      ^1     ^2              ^3       ^4
 *
 * `fields` goes to disk and to subscribers as it is. `guid` and `reply` say whom to acknowledge; with `client` (its
 * clientID) they also let a new leader acknowledge again and drop repetitions.
 */
export interface PackedMessages {
  readonly count: number;
  readonly bytes: Uint8Array;
  readonly bounds: Int32Array;
}

/** How many marks a message has in {@link PackedMessages.bounds}. */
export const MARKS = 5;

/** Where a new subscription begins; what depends on the channel's newest message is resolved while applying. */
export type Start =
  | { readonly kind: "new" }
  | { readonly kind: "last" }
  /** The first message wanted: at least 1; beyond the newest means the next one published. */
  | { readonly kind: "sequence"; readonly sequence: Sequence };

export interface Connect {
  readonly kind: "connect";
  readonly clientId: string;
  readonly heartbeatInbox: string;
  readonly connId: Uint8Array;
  readonly protocol: number;
  readonly pingInterval: number;
  readonly pingMaxOut: number;
  /** Close the client that is registered under this id first: it did not answer. */
  readonly replace: boolean;
}

export interface Disconnect {
  readonly kind: "disconnect";
  readonly clientId: string;
  /** Meant for the connection with this heartbeat inbox only, not for one that took its place; absent or empty: for any. */
  readonly heartbeatInbox?: string;
}

export interface CreateChannel {
  readonly kind: "create channel";
  readonly channel: string;
}

/** Only takes effect on the incarnation it was meant for, and only when nothing was published since. */
export interface DeleteChannel {
  readonly kind: "delete channel";
  readonly channel: string;
  readonly incarnation: number;
  /** The channel's newest sequence when this was proposed. */
  readonly last: Sequence;
}

export interface Publish {
  readonly kind: "publish";
  readonly channel: string;
  /** Wall time for all of them; raised while applying if the channel's newest message is younger. */
  readonly time: Nanos;
  readonly messages: PackedMessages;
}

export interface Subscribe {
  readonly kind: "subscribe";
  readonly clientId: string;
  readonly channel: string;
  readonly queueGroup: string;
  readonly inbox: string;
  readonly ackInbox: string;
  readonly maxInFlight: number;
  /** As on the wire: seconds from 1; negative only with the hidden test switch, then milliseconds. */
  readonly ackWaitInSecs: number;
  readonly durableName: string;
  readonly start: Start;
  /** The durable of the same name may be closed to make room (option `replace_durable`). */
  readonly replaceDurable: boolean;
}

/** Ends a subscription. `remove` also forgets a durable; otherwise it goes offline. */
export interface Unsubscribe {
  readonly kind: "unsubscribe";
  readonly clientId: string;
  readonly channel: string;
  /** The ack inbox, or the message inbox where that is unknown. */
  readonly inbox: string;
  readonly remove: boolean;
}

/** Messages below `first` have expired. */
export interface Expire {
  readonly kind: "expire";
  readonly channel: string;
  readonly incarnation: number;
  readonly first: Sequence;
}

/** Limits that every replica applies, whatever its own configuration says. */
export interface SetLimits {
  readonly kind: "set limits";
  readonly maxChannels: number;
  /** Per pattern, `>` standing for the global ones; already resolved (spec stores, section 2.3). */
  readonly channels: readonly {
    readonly pattern: string;
    readonly maxSubscriptions: number;
    readonly maxMessages: number;
    readonly maxBytes: number;
    readonly maxAge: Nanos;
    readonly maxInactivity: Nanos;
  }[];
}

export type Operation =
  | Connect
  | Disconnect
  | CreateChannel
  | DeleteChannel
  | Publish
  | Subscribe
  | Unsubscribe
  | Expire
  | SetLimits;

/**
 * What a leader tells its followers about one subscription some time after the fact. Not agreed upon: a leader that dies
 * first takes it along, and messages are delivered again.
 */
export interface DeliveryFact {
  readonly channel: string;
  readonly incarnation: number;
  readonly subscriptionId: number;
  /** Delivered, ascending; raises lastSent. Applied before `acknowledged`. */
  readonly sent: readonly Sequence[];
  readonly acknowledged: readonly Sequence[];
  /**
   * Set where a new leader states all it knows: `sent` is everything pending and this is where delivery stands. What a
   * replica believed otherwise, such as the leader before who never reported it, is wrong.
   */
  readonly complete?: { readonly lastSent: Sequence };
}
