/** Subscribe, unsubscribe and subscription-close requests (spec streaming, sections 5 and 6). */
import type { Clock } from "../ports/clock.ts";
import { type Journal, mayYetBeDone, NotAgreed } from "../ports/journal.ts";
import type { Log } from "../ports/log.ts";
import type { Inbound, MessageBus } from "../ports/message_bus.ts";
import { StoreFailed } from "../ports/store.ts";
import { SubscriptionRequest, SubscriptionResponse, UnsubscribeRequest } from "../protocol/client_messages.ts";
import { Text } from "../protocol/errors.ts";
import { isChannelName } from "../protocol/subjects.ts";
import type { Nuid } from "../protocol/nuid.ts";
import type { Operation } from "../protocol/operations.ts";
import { isRefusal, type Outcome } from "../protocol/outcomes.ts";
import type { Millis, Sequence } from "../protocol/units.ts";
import { admitSubscribe, admitUnsubscribe, type Machine, startTime, type Subscription } from "../streaming/mod.ts";
import { latecomerKey, type Latecomers } from "./latecomers.ts";
import type { Outbound } from "./outbound.ts";
import type { Partitions } from "./partitions.ts";
import type { Publishing } from "./publishing.ts";
import type { Recorder } from "./recorder.ts";
import { decoded, replyTo } from "./request_reading.ts";
import type { WhenSpeaking } from "./when_speaking.ts";

const EMPTY = new Uint8Array(0);
/** How soon to look again whether the lease is back. */
const LEASE_RETRY: Millis = 10;

export interface SubscribingParts {
  readonly machine: Machine;
  readonly journal: Journal;
  readonly publishing: Publishing;
  readonly recorder: Recorder;
  readonly outbound: Outbound;
  readonly whenSpeaking: WhenSpeaking;
  /** Other servers have the requests too, and one that leads later carries them out. */
  readonly othersHold: boolean;
  readonly bus: MessageBus;
  readonly clock: Clock;
  readonly log: Log;
  readonly nuid: Nuid;
  readonly replaceDurable: boolean;
  /** Set with partitioning. */
  readonly partitions: Partitions | undefined;
  readonly latecomers: Latecomers | undefined;
  /** The hidden test switch: a negative ack wait means milliseconds. */
  readonly allowShortAckWait: boolean;
}

export class Subscribing {
  readonly #parts: SubscribingParts;

  constructor(parts: SubscribingParts) {
    this.#parts = parts;
  }

  subscribe(message: Inbound): void {
    const reply = replyTo(message);
    const request = decoded(SubscriptionRequest, message);
    if (!this.#isOurs(request?.subject) || this.#isEarly(message, request, reply)) return;
    this.#subscribe(request, reply).catch((error: unknown) => this.#failed(reply, error));
  }

  /** The subscription was made, maybe by a leader that could not say so. One that has ended again needs no answer. */
  subscribedBefore(message: Inbound): void {
    const request = decoded(SubscriptionRequest, message);
    const channel = this.#parts.machine.state.channels.get(request?.subject ?? "");
    for (const { inbox, clientId, ackInbox } of channel?.byAckInbox.values() ?? []) {
      if (inbox !== request!.inbox || clientId !== request!.clientId) continue;
      return this.#answer(replyTo(message), SubscriptionResponse.encode({ ackInbox }));
    }
  }

  /** The subscription was ended, maybe by a leader that could not say so. */
  endedBefore(message: Inbound): void {
    this.#answer(replyTo(message), EMPTY);
  }

  /** `remove`: unsubscribe; otherwise close, which keeps a durable. */
  unsubscribe(message: Inbound, remove: boolean): void {
    const { machine, journal } = this.#parts;
    const reply = replyTo(message);
    const request = decoded(UnsubscribeRequest, message);
    if (!this.#isOurs(request?.subject)) return;
    const admitted = admitUnsubscribe(machine.state, request, remove);
    if (isRefusal(admitted)) return this.#refuseNow(reply, admitted.text);
    journal.flushReports();
    this.#commit([admitted])
      .then(([outcome]) => isRefusal(outcome!) ? this.#refuse(reply, outcome.text) : this.#answer(reply, EMPTY))
      .catch((error: unknown) => this.#failed(reply, error));
  }

  /** With partitioning, requests for channels of other servers get no answer from this one. */
  #isOurs(channel: string | undefined): boolean {
    const { partitions } = this.#parts;
    return partitions === undefined || channel === undefined || !isChannelName(channel) || partitions.owns(channel);
  }

  /** Whether the request has to wait for its client, which may be late where requests can overtake connects. */
  #isEarly(message: Inbound, request: SubscriptionRequest | undefined, reply: Uint8Array | undefined): boolean {
    const { latecomers, machine } = this.#parts;
    if (latecomers === undefined || request === undefined || request.clientId === "") return false;
    if (machine.state.clients.has(request.clientId)) return false;
    const refuse = () => this.#refuse(reply, Text.invalidSubscribeRequest);
    const key = latecomerKey("", request.clientId);
    if (!latecomers.wait(key, message, (copy) => this.subscribe(copy), refuse)) refuse();
    return true;
  }

  async #subscribe(request: SubscriptionRequest | undefined, reply: Uint8Array | undefined): Promise<void> {
    const { machine, nuid, replaceDurable, allowShortAckWait } = this.#parts;
    const { first, sequenceAtTime } = await this.#bounds(request);
    const ackInbox = `_INBOX.${nuid.next()}`;
    const context = { ackInbox, first, sequenceAtTime, replaceDurable, allowShortAckWait };
    const subscribe = admitSubscribe(machine.state, request, context);
    if (isRefusal(subscribe)) return this.#refuseNow(reply, subscribe.text);
    const { channel } = subscribe;
    const outcomes = await this.#commit([{ kind: "create channel", channel }, subscribe]);
    const refusal = outcomes.find(isRefusal);
    if (refusal !== undefined) return this.#refuse(reply, refusal.text);
    const outcome = outcomes[1]!;
    if (outcome.kind === "subscribed") this.#begin(channel, outcome, reply);
  }

  /** The client hears of its subscription first, and only then gets messages. */
  #begin(channel: string, outcome: Extract<Outcome, { kind: "subscribed" }>, reply: Uint8Array | undefined): void {
    const { machine, outbound } = this.#parts;
    if (!outbound.leading) return;
    this.#answer(reply, SubscriptionResponse.encode({ ackInbox: outcome.ackInbox }));
    const subscription = machine.state.channels.get(channel)?.subscriptions.get(outcome.subscriptionId);
    if (subscription !== undefined) this.#start(subscription, outcome.ackInbox);
  }

  /**
   * Gives out what a durable left pending, then what is new. A leader that may not speak yet, as after a fail-over, waits
   * with all of it: redeliveries that are refused would come an ack wait later, behind newer messages.
   */
  #start(subscription: Subscription, ackInbox: string): void {
    const { machine, outbound, clock } = this.#parts;
    if (!outbound.leading || subscription.ackInbox !== ackInbox || subscription.initialised) return;
    if (!outbound.speaking) {
      clock.wakeAt(clock.now() + LEASE_RETRY, () => this.#start(subscription, ackInbox));
      return;
    }
    machine.started(subscription, clock.now());
    outbound.perform(machine.takeEffects());
  }

  /** What the channel's store says about the position that the request asks for. */
  async #bounds(request: SubscriptionRequest | undefined): Promise<{ first: Sequence; sequenceAtTime: Sequence }> {
    const { machine, recorder, clock } = this.#parts;
    const messages = request === undefined ? undefined : recorder.channels.get(request.subject)?.messages;
    if (messages === undefined) return { first: 0, sequenceAtTime: 0 };
    // Where the subscription comes after the deletion, what this channel begins with is none of the next one's business.
    const isGoing = machine.state.channels.get(request!.subject)?.deleting === true;
    const first = isGoing ? 0 : messages.first;
    const time = startTime(request!, clock.wall());
    return { first, sequenceAtTime: time === undefined ? 0 : await messages.sequenceAt(time) };
  }

  /** Commits after all publishes received before. */
  async #commit(operations: readonly Operation[]): Promise<readonly Outcome[]> {
    this.#parts.publishing.flush();
    return await this.#parts.journal.commit(operations);
  }

  #failed(reply: Uint8Array | undefined, error: unknown): void {
    if (error instanceof NotAgreed && this.#parts.othersHold && mayYetBeDone(error)) return;
    if (error instanceof NotAgreed || error instanceof StoreFailed) this.#refuse(reply, error.message);
    else throw error;
  }

  /** Refuses without agreement: only with a lease, for else another server may lead, which knows better (Q4). */
  #refuseNow(reply: Uint8Array | undefined, error: string): void {
    this.#parts.whenSpeaking.run(() => this.#refuse(reply, error));
  }

  #refuse(reply: Uint8Array | undefined, error: string): void {
    if (this.#parts.log.debugging) this.#parts.log.debug(`Subscription request refused: ${error}`);
    this.#answer(reply, SubscriptionResponse.encode({ error }));
  }

  #answer(reply: Uint8Array | undefined, payload: Uint8Array): void {
    if (reply !== undefined && this.#parts.outbound.leading) this.#parts.bus.publish(reply, payload);
  }
}
