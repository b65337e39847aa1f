/** Subscribe, unsubscribe and subscription-close requests (spec streaming, sections 5 and 6). */
import type { Clock } from "../ports/clock.ts";
import { type Journal, NotAgreed } from "../ports/journal.ts";
import type { Log } from "../ports/log.ts";
import type { Inbound, MessageBus } from "../ports/message_bus.ts";
import { StoreFailed } from "../ports/store.ts";
import {
  StartPosition,
  SubscriptionRequest,
  SubscriptionResponse,
  UnsubscribeRequest,
} from "../protocol/client_messages.ts";
import type { Nuid } from "../protocol/nuid.ts";
import type { Operation } from "../protocol/operations.ts";
import { isRefusal, type Outcome } from "../protocol/outcomes.ts";
import type { Awaitable, Sequence } from "../protocol/units.ts";
import { admitSubscribe, admitUnsubscribe, type Machine } from "../streaming/mod.ts";
import type { Outbound } from "./outbound.ts";
import type { Publishing } from "./publishing.ts";
import type { Recorder } from "./recorder.ts";
import { decoded, replyTo } from "./requests.ts";

const EMPTY = new Uint8Array(0);

export interface SubscribingParts {
  readonly machine: Machine;
  readonly journal: Journal;
  readonly publishing: Publishing;
  readonly recorder: Recorder;
  readonly outbound: Outbound;
  readonly bus: MessageBus;
  readonly clock: Clock;
  readonly log: Log;
  readonly nuid: Nuid;
  readonly replaceDurable: boolean;
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
    this.#subscribe(request, reply).catch((error: unknown) => this.#failed(reply, error));
  }

  /** `remove`: unsubscribe; otherwise close, which keeps a durable. */
  unsubscribe(message: Inbound, remove: boolean): void {
    const { machine, journal } = this.#parts;
    const reply = replyTo(message);
    const admitted = admitUnsubscribe(machine.state, decoded(UnsubscribeRequest, message), remove);
    if (isRefusal(admitted)) return this.#refuse(reply, admitted.text);
    journal.flushReports();
    this.#commit([admitted])
      .then(([outcome]) => isRefusal(outcome!) ? this.#refuse(reply, outcome.text) : this.#answer(reply, EMPTY))
      .catch((error: unknown) => this.#failed(reply, error));
  }

  async #subscribe(request: SubscriptionRequest | undefined, reply: Uint8Array | undefined): Promise<void> {
    const { machine, outbound, clock, bus, nuid } = this.#parts;
    const sequenceAtTime = await this.#sequenceAtTime(request);
    const admitted = admitSubscribe(machine.state, request, {
      ackInbox: `_INBOX.${nuid.next()}`,
      first: this.#firstOf(request),
      sequenceAtTime,
      replaceDurable: this.#parts.replaceDurable,
      allowShortAckWait: this.#parts.allowShortAckWait,
    });
    if (isRefusal(admitted)) return this.#refuse(reply, admitted.text);
    const isNew = !machine.state.channels.has(admitted.channel);
    const outcomes = await this.#commit(
      isNew ? [{ kind: "create channel", channel: admitted.channel }, admitted] : [admitted],
    );
    const refusal = outcomes.find(isRefusal);
    if (refusal !== undefined) return this.#refuse(reply, refusal.text);
    const outcome = outcomes[outcomes.length - 1]!;
    if (outcome.kind !== "subscribed") return;
    const subscription = machine.state.channels.get(admitted.channel)?.subscriptions.get(outcome.subscriptionId);
    if (!outbound.speaking) return;
    if (reply !== undefined) bus.publish(reply, SubscriptionResponse.encode({ ackInbox: outcome.ackInbox }));
    if (subscription === undefined || subscription.ackInbox !== outcome.ackInbox) return;
    machine.started(subscription, clock.now());
    outbound.perform(machine.takeEffects());
  }

  #firstOf(request: SubscriptionRequest | undefined): Sequence {
    return request === undefined ? 0 : this.#parts.recorder.channels.get(request.subject)?.messages.first ?? 0;
  }

  /** The first message not older than the request's time, where it asks by time. */
  #sequenceAtTime(request: SubscriptionRequest | undefined): Awaitable<Sequence> {
    if (request?.startPosition !== StartPosition.timeDelta) return 0;
    const messages = this.#parts.recorder.channels.get(request.subject)?.messages;
    return messages?.sequenceAt(this.#parts.clock.wall() - request.startTimeDelta) ?? 0;
  }

  /** Commits after all publishes received before. */
  async #commit(operations: readonly Operation[]): Promise<readonly Outcome[]> {
    this.#parts.publishing.flush();
    return await this.#parts.journal.commit(operations);
  }

  #failed(reply: Uint8Array | undefined, error: unknown): void {
    if (error instanceof NotAgreed || error instanceof StoreFailed) this.#refuse(reply, error.message);
    else throw error;
  }

  #refuse(reply: Uint8Array | undefined, error: string): void {
    if (this.#parts.log.debugging) this.#parts.log.debug(`Subscription request refused: ${error}`);
    this.#answer(reply, SubscriptionResponse.encode({ error }));
  }

  #answer(reply: Uint8Array | undefined, payload: Uint8Array): void {
    if (reply !== undefined && this.#parts.outbound.speaking) this.#parts.bus.publish(reply, payload);
  }
}
