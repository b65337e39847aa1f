/** What applying an operation gives: the same on every replica. */
import type { Sequence } from "./units.ts";

/** A request that breaks a rule. `text` is what the client gets, to the letter. */
export interface Refusal {
  readonly kind: "refused";
  readonly text: string;
}

export type Outcome =
  | Refusal
  /** Done, with nothing more to say (connect, disconnect, unsubscribe, expire, set limits). */
  | { readonly kind: "done" }
  /** `incarnation`: tells this channel from earlier ones of the same name. */
  | { readonly kind: "channel created"; readonly incarnation: number }
  | { readonly kind: "channel deleted" }
  /** Stored under the sequences from `first` on, one for each message. */
  | { readonly kind: "published"; readonly first: Sequence; readonly count: number }
  | { readonly kind: "subscribed"; readonly subscriptionId: number; readonly ackInbox: string };

/** Whether an outcome, or the result of an admission, is a refusal. */
export function isRefusal(value: { readonly kind: string }): value is Refusal {
  return value.kind === "refused";
}

/** A refusal with this wire text. */
export function refused(text: string): Refusal {
  return { kind: "refused", text };
}
