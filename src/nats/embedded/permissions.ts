/** What one user may publish and subscribe to (spec nats-server, section 4.4). */
import type { Message } from "./message.ts";
import type { Subscription } from "./subscription.ts";

/** The rights of one connection. */
export interface Permissions {
  /** Whether the message's subject may be published to. Counts replies, where only those are allowed. */
  mayPublish(message: Message): boolean;
  /** Subject and queue with one character a byte. */
  maySubscribe(subject: string, queue: string | undefined): boolean;
  /** Whether a message that a wide subscription matches may reach its holder. */
  mayReceive(subscription: Subscription, message: Message): boolean;
  /** A message was delivered: its reply subject may be answered now. */
  received(message: Message): void;
}
