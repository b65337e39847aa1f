/**
 * Performs the machine's effects. What must be remembered is always done; what is said is said only while this server
 * leads, and this file is the only place that asks.
 */
import type { Journal } from "../ports/journal.ts";
import type { Log } from "../ports/log.ts";
import type { MessageBus, Subscription as Listening } from "../ports/message_bus.ts";
import { StoreFailed } from "../ports/store.ts";
import type { PackedMessages } from "../protocol/operations.ts";
import type { Effect, Subscription } from "../streaming/mod.ts";
import type { Recorder } from "./recorder.ts";
import type { Timers } from "./timers.ts";

/** Whoever carries out an effect that is more than a line here. */
export interface Performers {
  /** Reads and publishes what the machine chose. */
  deliver(effect: Extract<Effect, { kind: "deliver" }>): void;
  /** A delivery round for this channel, once the input at hand is handled. */
  more(channel: string): void;
  /** An ack arrived on a subscription's ack inbox: `buffer[start, end)`. */
  acknowledged(subscription: Subscription, buffer: Uint8Array, start: number, end: number): void;
  /** Acknowledges publishes to their publishers. */
  acknowledge(messages: PackedMessages): void;
  heartbeat(clientId: string): void;
  evictClient(clientId: string): void;
  deleteChannel(effect: Extract<Effect, { kind: "delete channel" }>): void;
  wake(key: string): void;
  storeClient(effect: Extract<Effect, { kind: "store client" }>): void;
  forgetClient(clientId: string): void;
}

/** A subscription's record that the store refused. */
export interface RefusedRecord {
  readonly channel: string;
  readonly subscriptionId: number;
  readonly text: string;
}

export class Outbound {
  readonly #bus: MessageBus;
  readonly #journal: Journal;
  readonly #recorder: Recorder;
  readonly #timers: Timers;
  readonly #log: Log;
  readonly #listening = new Map<Subscription, Listening>();
  #performers: Performers | undefined;
  #speaking = false;
  #reign = 0;
  /** Subscription records that the store did not take since {@link takeRefused}. */
  #refused: RefusedRecord[] = [];

  constructor(
    parts: { bus: MessageBus; journal: Journal; recorder: Recorder; timers: Timers; log: Log },
  ) {
    this.#bus = parts.bus;
    this.#journal = parts.journal;
    this.#recorder = parts.recorder;
    this.#timers = parts.timers;
    this.#log = parts.log;
  }

  /** Says who carries out the larger effects; once, while the server is put together. */
  connect(performers: Performers): void {
    this.#performers = performers;
  }

  /** Whether this server leads. Enough to answer what was agreed on: the agreement itself proved that nobody else led. */
  get leading(): boolean {
    return this.#speaking;
  }

  /** Whether what the server says by itself, without asking anybody, may go out. May be so again a moment later. */
  get speaking(): boolean {
    return this.#speaking && this.#journal.mayServe;
  }

  /** Grows whenever this server begins or ends to lead: tells whether others may have led meanwhile. */
  get reign(): number {
    return this.#reign;
  }

  /** From now on effects are performed in full. */
  speak(): void {
    this.#speaking = true;
    this.#reign++;
  }

  /** Falls silent: ends all listening and every deadline. */
  mute(): void {
    this.#speaking = false;
    this.#reign++;
    for (const listening of this.#listening.values()) listening.unsubscribe();
    this.#listening.clear();
    this.#timers.clear();
  }

  perform(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (!this.#remember(effect) && this.#speaking) this.#say(effect);
    }
  }

  /** Performs an effect of memory; `false` when it is none. */
  #remember(effect: Effect): boolean {
    switch (effect.kind) {
      case "store client":
        this.#performers!.storeClient(effect);
        return true;
      case "forget client":
        this.#performers!.forgetClient(effect.clientId);
        return true;
      case "store subscription":
        this.#attempt(effect.channel, effect.state.id, () => {
          this.#recorder.storeSubscription(effect.how, effect.channel, effect.state);
        });
        return true;
      case "sent":
        this.#attempt(effect.subscription.channel.name, 0, () => {
          this.#recorder.sent(effect.subscription, effect.sequences);
        });
        if (this.#speaking) this.#report(effect.subscription, effect.sequences, []);
        return true;
      case "acked":
        this.#attempt(effect.subscription.channel.name, 0, () => {
          this.#recorder.acked(effect.subscription, effect.sequences);
        });
        if (this.#speaking) this.#report(effect.subscription, [], effect.sequences);
        return true;
      case "log":
        this.#log[effect.level](effect.text);
        return true;
      default:
        return false;
    }
  }

  /** Tells followers at once what they have not been told. */
  reportNow(): void {
    if (this.#speaking) this.#journal.flushReports();
  }

  /** Records of subscriptions that could not be written; who asked for them must hear of it. */
  takeRefused(): readonly RefusedRecord[] {
    const refused = this.#refused;
    if (refused.length > 0) this.#refused = [];
    return refused;
  }

  /** A delivery or an ack that is not noted is delivered again, nothing worse: the server goes on. */
  #attempt(channel: string, subscriptionId: number, write: () => void): void {
    try {
      write();
    } catch (error) {
      if (!(error instanceof StoreFailed)) throw error;
      this.#log.error(`Unable to store subscription state of channel "${channel}": ${error.message}`);
      if (subscriptionId > 0) this.#refused.push({ channel, subscriptionId, text: error.message });
    }
  }

  #report(subscription: Subscription, sent: readonly number[], acknowledged: readonly number[]): void {
    const { name: channel, incarnation } = subscription.channel;
    this.#journal.report({ channel, incarnation, subscriptionId: subscription.id, sent, acknowledged });
  }

  #say(effect: Effect): void {
    const performers = this.#performers!;
    switch (effect.kind) {
      case "listen":
        this.#listen(effect.subscription);
        break;
      case "unlisten":
        this.#unlisten(effect.subscription);
        break;
      case "deliver":
        performers.deliver(effect);
        break;
      case "more":
        performers.more(effect.channel);
        break;
      case "wake":
        this.#timers.set(effect.key, effect.at, (key) => performers.wake(key));
        break;
      case "heartbeat":
        performers.heartbeat(effect.clientId);
        break;
      case "acknowledge":
        performers.acknowledge(effect.messages);
        break;
      case "evict client":
        performers.evictClient(effect.clientId);
        break;
      case "delete channel":
        performers.deleteChannel(effect);
        break;
    }
  }

  #listen(subscription: Subscription): void {
    this.#unlisten(subscription);
    const performers = this.#performers!;
    const listening = this.#bus.subscribe(subscription.ackInbox, (message) => {
      performers.acknowledged(subscription, message.buffer, message.payloadStart, message.payloadEnd);
    });
    this.#listening.set(subscription, listening);
  }

  /** By subscription, not by inbox: a resumed durable has a new inbox while the old one still listens. */
  #unlisten(subscription: Subscription): void {
    this.#listening.get(subscription)?.unsubscribe();
    this.#listening.delete(subscription);
  }
}
