/** A subscription of this server: a client's, or one of a bus inside the process. */
import { hasWildcard } from "./subject_tree.ts";
import { Interest } from "./interest.ts";
import { latin1Bytes, messagePrefix } from "../../wire/frames.ts";
import type { Message } from "../message.ts";

/** Who gets the messages of a subscription. */
export interface Target {
  /** Takes a message; `false` when it cannot (closed, own message unwanted, denied), so that another may have it. */
  deliver(subscription: Subscription, message: Message): boolean;
}

export class Subscription extends Interest {
  readonly target: Target;
  /** The client's name for it, one character a byte. */
  readonly sid: string;
  /** Whether every message has the same subject: the subscription's is no pattern. */
  readonly literal: boolean;
  /** Messages after which it ends, counted from its beginning; 0: never. */
  max = 0;
  /** Messages delivered so far, "no responders" statuses aside. */
  delivered = 0;

  #sidBytes: Uint8Array | undefined = undefined;
  #prefix: Uint8Array | undefined = undefined;

  constructor(target: Target, subject: string, queue: string | undefined, sid: string) {
    super(subject, queue, false);
    this.target = target;
    this.sid = sid;
    this.literal = !hasWildcard(subject);
  }

  /** The sid's bytes; made when first needed, as many subscriptions never get a message. */
  get sidBytes(): Uint8Array {
    return this.#sidBytes ??= latin1Bytes(this.sid);
  }

  /** `HMSG <subject> <sid> `, for a literal subscription. */
  get prefix(): Uint8Array {
    return this.#prefix ??= messagePrefix(this.subject, this.sid);
  }
}

/**
 * A sid as a key of a map. Most sids are whole numbers, and the runtime hashes texts of those so badly that a map of many
 * becomes a list.
 */
export function sidKey(sid: string): string {
  return `s${sid}`;
}
