/**
 * A server around a machine, without I/O: keeps messages and subscription records in memory, performs effects, owns time.
 * What reached each inbox can be read from {@link MachineDriver.deliveries}.
 */
import { StartPosition } from "../../src/protocol/client_messages.ts";
import type { DeliveryFact, Operation, Subscribe } from "../../src/protocol/operations.ts";
import { isRefusal, type Outcome } from "../../src/protocol/outcomes.ts";
import type { ClientInfo } from "../../src/protocol/stored_records.ts";
import {
  admitSubscribe,
  type Channel,
  DEFAULT_LIMITS,
  type Effect,
  Machine,
  type MachineSettings,
  recoverState,
  type ResolvedLimits,
  startTime,
  type Subscription,
} from "../../src/streaming/mod.ts";
import {
  asRecovered,
  emptyChannel,
  holds,
  mend,
  note,
  record,
  sequenceAt,
  type StoredChannel,
} from "./machine_store.ts";

export interface Delivery {
  readonly inbox: string;
  readonly sequence: number;
  /** Redelivery count; 0 on a first delivery. */
  readonly count: number;
  readonly at: number;
  /** What the subscription had pending then, this one included, and how much it may. */
  readonly pending: number;
  readonly inFlight: number;
}

/** What a subscribe request says; the rest has defaults. */
export interface Wish {
  readonly client?: string;
  readonly channel?: string;
  readonly group?: string;
  readonly durable?: string;
  readonly inbox?: string;
  readonly inFlight?: number;
  /** Milliseconds. */
  readonly ackWait?: number;
  readonly position?: number;
  readonly sequence?: number;
  /** Nanoseconds. */
  readonly delta?: bigint;
  readonly replaceDurable?: boolean;
  /** Whether the client hears of it: otherwise {@link Machine.started} is not called. */
  readonly start?: boolean;
}

const SETTINGS: MachineSettings = { heartbeatInterval: 30_000, heartbeatTimeout: 10_000, heartbeatFailCount: 10 };

export class MachineDriver {
  machine: Machine;
  now = 0;
  readonly deliveries: Delivery[] = [];
  readonly logs: string[] = [];
  acknowledgedAgain = 0;
  readonly facts: DeliveryFact[] = [];
  readonly heartbeats: string[] = [];
  readonly evictions: string[] = [];
  readonly deletions: { channel: string; incarnation: number; last: number }[] = [];
  /** Inboxes to which nothing can be published. */
  readonly broken = new Set<string>();
  /** Channels whose messages cannot be read. */
  readonly unreadable = new Set<string>();
  /** Records of messages, subscriptions and clients, as a store keeps them. */
  readonly channels = new Map<string, StoredChannel>();
  readonly clients = new Map<string, ClientInfo>();
  readonly #settings: MachineSettings;
  readonly #timers = new Map<string, number>();
  /** By subscription, not by inbox: a resumed durable has a new inbox while the old one is still listened on. */
  readonly #listening = new Map<Subscription, string>();
  readonly #more = new Set<string>();
  #index = 0;
  #inboxes = 0;

  constructor(settings: Partial<MachineSettings> = {}, lead = true) {
    this.#settings = { ...SETTINGS, ...settings };
    this.machine = new Machine(this.#settings);
    if (lead) this.lead();
  }

  get wall(): bigint {
    return 1_700_000_000_000_000_000n + BigInt(Math.round(this.now * 1e6));
  }

  /** Ack inboxes listened on. */
  get listening(): ReadonlySet<string> {
    return new Set(this.#listening.values());
  }

  get wakeUps(): readonly string[] {
    return [...this.#timers.keys()];
  }

  lead(): void {
    this.machine.lead(this.now, this.wall, (name, sequence) => {
      const channel = this.channels.get(name);
      return channel === undefined || !holds(channel, sequence) ? 0n : channel.times[sequence - 1]!;
    });
    this.perform();
  }

  follow(): void {
    this.machine.follow();
    this.machine.takeEffects();
    this.#timers.clear();
    this.#listening.clear();
    this.#more.clear();
  }

  /** Stores what the operation brings, applies it, performs the effects and the rounds they ask for. */
  commit(operation: Operation, index = ++this.#index): Outcome {
    const outcome = this.applyOnly(operation, index);
    this.settle();
    return outcome;
  }

  applyOnly(operation: Operation, index = ++this.#index): Outcome {
    this.#index = Math.max(this.#index, index);
    if (operation.kind === "create channel" && !isRefusal(this.machine.mayCreate(operation.channel))) {
      this.#storeOf(operation.channel);
    }
    if (operation.kind === "publish") this.#append(operation.channel, operation.time, operation.messages.count);
    const outcome = this.machine.apply(operation, index, this.now);
    if (outcome.kind === "channel deleted" && operation.kind === "delete channel") {
      this.channels.delete(operation.channel);
    }
    if (operation.kind === "publish") this.#more.add(operation.channel);
    this.perform();
    return outcome;
  }

  connect(clientId = "me", more: { replace?: boolean; connId?: string; protocol?: number } = {}): Outcome {
    return this.commit({
      kind: "connect",
      clientId,
      heartbeatInbox: `hb.${clientId}`,
      connId: new TextEncoder().encode(more.connId ?? `conn-${clientId}`),
      protocol: more.protocol ?? 1,
      pingInterval: 5,
      pingMaxOut: 3,
      replace: more.replace ?? false,
    });
  }

  disconnect(clientId = "me"): Outcome {
    return this.commit({ kind: "disconnect", clientId });
  }

  create(channel = "foo"): Outcome {
    return this.commit({ kind: "create channel", channel });
  }

  publish(count = 1, channel = "foo"): Outcome {
    if (!this.machine.state.channels.has(channel)) {
      const created = this.create(channel);
      if (isRefusal(created)) return created;
    }
    const bounds = new Int32Array(0);
    const messages = { count, bytes: new Uint8Array(0), bounds };
    return this.commit({ kind: "publish", channel, time: this.wall, messages });
  }

  /** A subscribe request from admission to start; the refusal's text, or the subscription. */
  subscribe(wish: Wish = {}): Subscription | string {
    const operation = this.admit(wish);
    if (typeof operation === "string") return operation;
    const created = this.applyOnly({ kind: "create channel", channel: operation.channel });
    if (isRefusal(created)) return created.text;
    const outcome = this.applyOnly(operation);
    if (isRefusal(outcome)) {
      this.settle();
      return outcome.text;
    }
    if (outcome.kind !== "subscribed") throw new Error(outcome.kind);
    const subscription = this.channel(operation.channel).subscriptions.get(outcome.subscriptionId)!;
    if (wish.start !== false) this.machine.started(subscription, this.now);
    this.settle();
    return subscription;
  }

  /** As {@link subscribe}, where a refusal is not expected. */
  sub(wish: Wish = {}): Subscription {
    const subscription = this.subscribe(wish);
    if (typeof subscription === "string") throw new Error(subscription);
    return subscription;
  }

  admit(wish: Wish): Subscribe | string {
    const channel = wish.channel ?? "foo";
    const stored = this.channels.get(channel);
    const number = ++this.#inboxes;
    const request = {
      clientId: wish.client ?? "me",
      subject: channel,
      queueGroup: wish.group ?? "",
      inbox: wish.inbox ?? `in.${number}`,
      maxInFlight: wish.inFlight ?? 1024,
      ackWaitInSecs: -(wish.ackWait ?? 30_000),
      durableName: wish.durable ?? "",
      startPosition: wish.position ?? StartPosition.newOnly,
      startSequence: wish.sequence ?? 0,
      startTimeDelta: wish.delta ?? 0n,
    };
    const time = startTime(request, this.wall);
    const admitted = admitSubscribe(this.machine.state, request, {
      first: this.#first(channel),
      sequenceAtTime: time === undefined || stored === undefined ? 0 : sequenceAt(stored, time),
      ackInbox: `ack.${number}`,
      replaceDurable: wish.replaceDurable ?? false,
      allowShortAckWait: true,
    });
    return isRefusal(admitted) ? admitted.text : admitted;
  }

  unsubscribe(subscription: Subscription, remove = true, inbox = subscription.ackInbox): Outcome {
    const { clientId, channel } = subscription;
    return this.commit({ kind: "unsubscribe", clientId, channel: channel.name, inbox, remove });
  }

  close(subscription: Subscription): Outcome {
    return this.unsubscribe(subscription, false);
  }

  ack(subscription: Subscription, ...sequences: number[]): void {
    for (const sequence of sequences) this.machine.acknowledge(subscription, sequence, this.now);
    this.settle();
  }

  /** A client's answer, or silence, to the heartbeat that was asked for. */
  heartbeat(clientId: string, answered: boolean): void {
    this.machine.heartbeat(clientId, answered, this.now);
    this.settle();
  }

  /** Lets time pass, waking what is due in order. */
  advance(millis: number): void {
    const until = this.now + millis;
    while (true) {
      let next: string | undefined;
      for (const [key, at] of this.#timers) {
        if (at <= until && (next === undefined || at < this.#timers.get(next)!)) next = key;
      }
      if (next === undefined) break;
      this.now = Math.max(this.now, this.#timers.get(next)!);
      this.#timers.delete(next);
      this.machine.wake(next, this.now);
      this.settle();
    }
    this.now = until;
  }

  /** The messages below `first` are gone from the store. */
  evict(first: number, channel = "foo"): void {
    this.#storeOf(channel).first = first;
  }

  /** One message is gone. */
  drop(sequence: number, channel = "foo"): void {
    this.#storeOf(channel).gone.add(sequence);
  }

  /** Starts a new machine on what is stored. `restarted`: how much later. */
  restart(later = 0, limits: ResolvedLimits = DEFAULT_LIMITS): readonly string[] {
    this.#timers.clear();
    this.#more.clear();
    this.#listening.clear();
    this.now += later;
    const { state, repairs, warnings } = recoverState(
      [...this.clients.values()],
      [...this.channels].map(([name, stored]) => asRecovered(name, stored)),
      limits,
    );
    for (const repair of repairs) mend(this.channels.get(repair.channel)!, repair);
    this.machine = new Machine(this.#settings, state);
    this.lead();
    this.settle();
    return warnings;
  }

  /** Replaces the machine by another one with the same settings. */
  replaceMachine(): Machine {
    this.machine = new Machine(this.#settings);
    return this.machine;
  }

  channel(name = "foo"): Channel {
    return this.machine.state.channels.get(name)!;
  }

  /** The sequences that reached an inbox, or all inboxes, since the last call; redeliveries with their count as `3#1`. */
  received(inbox?: string): (number | string)[] {
    const taken = this.deliveries.filter((each) => inbox === undefined || each.inbox === inbox);
    const left = this.deliveries.filter((each) => !taken.includes(each));
    this.deliveries.splice(0, this.deliveries.length, ...left);
    return taken.map(({ sequence, count }) => count === 0 ? sequence : `${sequence}#${count}`);
  }

  /** Performs effects and rounds until nothing is left to do at this moment. */
  settle(): void {
    this.perform();
    for (let rounds = 0; this.#more.size > 0; rounds++) {
      if (rounds > 100_000) throw new Error("the machine asks for more for ever");
      for (const name of [...this.#more]) {
        this.#more.delete(name);
        this.machine.deliver(name, this.#first(name), this.now);
      }
      this.perform();
    }
  }

  perform(): void {
    for (let effects = this.machine.takeEffects(); effects.length > 0; effects = this.machine.takeEffects()) {
      for (const effect of effects) this.#perform(effect);
    }
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case "store client":
        this.clients.set(effect.client.id, { ...effect.client });
        break;
      case "forget client":
        this.clients.delete(effect.clientId);
        break;
      case "store subscription":
        this.#record(effect);
        break;
      case "sent":
      case "acked":
        this.#note(effect);
        break;
      case "listen":
        this.#listening.set(effect.subscription, effect.subscription.ackInbox);
        break;
      case "unlisten":
        this.#listening.delete(effect.subscription);
        break;
      case "deliver":
        this.#deliver(effect);
        break;
      case "more":
        this.#more.add(effect.channel);
        break;
      case "wake":
        if (effect.at === Infinity) this.#timers.delete(effect.key);
        else this.#timers.set(effect.key, effect.at);
        break;
      case "heartbeat":
        this.heartbeats.push(effect.clientId);
        break;
      case "evict client":
        this.evictions.push(effect.clientId);
        break;
      case "acknowledge":
        this.acknowledgedAgain += effect.messages.count;
        break;
      case "delete channel":
        this.deletions.push({ channel: effect.channel, incarnation: effect.incarnation, last: effect.last });
        break;
      case "log":
        this.logs.push(effect.text);
        break;
    }
  }

  #record({ how, channel, state }: Extract<Effect, { kind: "store subscription" }>): void {
    record(this.#storeOf(channel), how, state);
  }

  #note(effect: Extract<Effect, { kind: "sent" | "acked" }>): void {
    const { subscription, sequences } = effect;
    const { channel, id } = subscription;
    const stored = this.#storeOf(channel.name).subscriptions.get(id);
    if (stored !== undefined) note(stored, effect.kind, sequences);
    const [sent, acknowledged] = effect.kind === "sent" ? [sequences, []] : [[], sequences];
    const { name, incarnation } = channel;
    this.facts.push({
      channel: name,
      incarnation,
      subscriptionId: id,
      sent: [...sent],
      acknowledged: [...acknowledged],
    });
  }

  #deliver({ subscription, sequences, counts }: Extract<Effect, { kind: "deliver" }>): void {
    const stored = this.#storeOf(subscription.channel.name);
    const seen = { at: this.now, pending: subscription.pending.size, inFlight: subscription.maxInFlight };
    for (let i = 0; i < sequences.length; i++) {
      const sequence = sequences[i]!;
      if (this.unreadable.has(subscription.channel.name) || this.broken.has(subscription.inbox)) {
        return this.machine.undelivered(subscription, sequences.slice(i), this.now);
      }
      if (!subscription.pending.has(sequence)) continue;
      if (!holds(stored, sequence)) this.machine.missing(subscription, sequence, this.now);
      else this.deliveries.push({ inbox: subscription.inbox, sequence, count: counts?.[i] ?? 0, ...seen });
    }
  }

  #append(name: string, time: bigint, count: number): void {
    const channel = this.machine.state.channels.get(name);
    if (channel === undefined) return;
    const stored = this.#storeOf(name);
    const at = time > channel.lastTimestamp ? time : channel.lastTimestamp;
    for (let i = 0; i < count; i++) stored.times.push(at);
  }

  /** As a message log answers it: 0 when nothing was ever stored. */
  #first(name: string): number {
    const stored = this.channels.get(name);
    return stored === undefined || stored.times.length === 0 ? 0 : stored.first;
  }

  #storeOf(name: string): StoredChannel {
    let stored = this.channels.get(name);
    if (stored === undefined) {
      this.channels.set(name, stored = emptyChannel());
    }
    return stored;
  }
}
