/** A subscription of this server: a client's, or one of a bus inside the process. */
import { hasWildcard } from "./subject_tree.ts";
import { Interest } from "./interest.ts";
import { latin1Bytes, messagePrefix } from "../wire/frames.ts";
import type { Message } from "./message.ts";

/** Who gets the messages of a subscription. */
export interface Target {
  /** Takes a message; `false` when it cannot (closed, own message unwanted, denied), so that another may have it. */
  deliver(subscription: Subscription, message: Message): boolean;
}

export class Subscription extends Interest {
  readonly target: Target;
  /** The client's name for it, one character a byte. */
  readonly sid: string;
  readonly sidBytes: Uint8Array;
  /** `HMSG <subject> <sid> ` when every message has the same subject; `undefined` for patterns. */
  readonly prefix: Uint8Array | undefined;
  /** Messages after which it ends, counted from its beginning; 0: never. */
  max = 0;
  /** Messages delivered so far, "no responders" statuses aside. */
  delivered = 0;

  constructor(target: Target, subject: string, queue: string | undefined, sid: string) {
    super(subject, queue, false);
    this.target = target;
    this.sid = sid;
    this.sidBytes = latin1Bytes(sid);
    this.prefix = hasWildcard(subject) ? undefined : messagePrefix(subject, sid);
  }
}
