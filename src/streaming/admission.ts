/**
 * Requests → operations or refusals: what a client sent is checked, and everything in it that depends on time, chance or
 * the store is settled, so that any replica can apply it with the same outcome (spec streaming, sections 2.1, 4.1 to 4.3,
 * 5.1, 6.2 and 6.3). A request that could not be decoded is `undefined`.
 */
import type {
  CloseRequest,
  ConnectRequest,
  Ping,
  SubscriptionRequest,
  UnsubscribeRequest,
} from "../protocol/client_messages.ts";
import { Text } from "../protocol/errors.ts";
import type { Connect, CreateChannel, Disconnect, Subscribe, Unsubscribe } from "../protocol/operations.ts";
import { type Refusal, refused } from "../protocol/outcomes.ts";
import { isChannelName } from "../protocol/subjects.ts";
import { refusalToCreate } from "./channel.ts";
import { connIdKey } from "./clients.ts";
import type { Sequence } from "../protocol/units.ts";
import { startOf } from "./start_position.ts";
import type { Channel, Client, State } from "./state.ts";
import { refusalToAttach, refusalToEnd } from "./subscribing.ts";

const CLIENT_ID = /^[a-zA-Z0-9_-]+$/;

/**
 * Checks a connect request. Whether the id is free is for the server to find out: a client registered under it must be
 * asked for a sign of life, and only if it gives none may the operation be committed, with `replace`.
 */
export function admitConnect(_state: State, request: ConnectRequest | undefined): Connect | Refusal {
  if (request === undefined || request.heartbeatInbox === "") return refused(Text.invalidConnectRequest);
  if (!CLIENT_ID.test(request.clientId)) return refused(Text.invalidClientId);
  const { clientId, heartbeatInbox, connId, protocol, pingInterval, pingMaxOut } = request;
  return { kind: "connect", clientId, heartbeatInbox, connId, protocol, pingInterval, pingMaxOut, replace: false };
}

/** The client that publishes: by connection id when there is one, which alone counts then (spec streaming, section 2.4). */
export function publisherOf(state: State, connId: Uint8Array, clientId: string): Client | undefined {
  return connId.length > 0 ? state.clientsByConnId.get(connIdKey(connId)) : state.clients.get(clientId);
}

/**
 * The channel to publish to, or the operation that must come first, or why not. The answer holds until channels come or
 * go: ask once per channel and batch, not per message.
 */
export function admitPublish(
  state: State,
  channel: string,
): { readonly kind: "known"; readonly channel: Channel } | CreateChannel | Refusal {
  const existing = state.channels.get(channel);
  if (existing !== undefined) {
    return existing.deleting ? refused(Text.channelBeingDeleted) : { kind: "known", channel: existing };
  }
  if (!isChannelName(channel)) return refused(Text.invalidPublishRequest);
  return refusalToCreate(state, channel) ?? { kind: "create channel", channel };
}

/** What a subscribe request depends on besides the state. */
export interface SubscribeContext {
  /** The first sequence in the channel's store; 0 when nothing was ever stored, or it does not exist. */
  readonly first: Sequence;
  /** The sequence found for {@link startTime}; anything when that asks for none. */
  readonly sequenceAtTime: Sequence;
  /** A fresh inbox for acks. */
  readonly ackInbox: string;
  /** Option `replace_durable`. */
  readonly replaceDurable: boolean;
  /** The hidden test switch: a negative ack wait means milliseconds. */
  readonly allowShortAckWait: boolean;
}

/** The checks of a subscribe request that need no state: 1 to 6 of section 5.1. `undefined` when it passes. */
export function subscribeProblem(
  request: SubscriptionRequest | undefined,
  allowShortAckWait: boolean,
): Refusal | undefined {
  if (request === undefined) return refused(Text.invalidSubscribeRequest);
  if (request.clientId === "") return refused(Text.clientIdMissing);
  if (request.ackWaitInSecs < 1 && !(allowShortAckWait && request.ackWaitInSecs < 0)) {
    return refused(Text.invalidAckWait);
  }
  if (request.maxInFlight < 1) return refused(Text.invalidMaxInFlight);
  if (request.startPosition < 0 || request.startPosition > 4) return refused(Text.invalidStartPosition);
  return isChannelName(request.subject) ? undefined : refused(Text.invalidSubject);
}

/**
 * Checks a subscribe request in the order of section 5.1. The creation of its channel is to be committed before it, in
 * one go; that does nothing when the channel exists.
 */
export function admitSubscribe(
  state: State,
  request: SubscriptionRequest | undefined,
  context: SubscribeContext,
): Subscribe | Refusal {
  const problem = subscribeProblem(request, context.allowShortAckWait);
  if (problem !== undefined) return problem;
  const { clientId, subject: channel, queueGroup, inbox, maxInFlight, ackWaitInSecs, durableName } = request!;
  if (!state.clients.has(clientId)) return refused(Text.unknownClientId);
  const refusal = refusalToCreate(state, channel);
  if (refusal !== undefined) return refusal;
  if (queueGroup !== "" && durableName.includes(":")) return refused(Text.durableNameWithColon);
  const subscribe: Subscribe = {
    kind: "subscribe",
    clientId,
    channel,
    queueGroup,
    inbox,
    ackInbox: context.ackInbox,
    maxInFlight,
    ackWaitInSecs,
    durableName,
    start: startOf(request!, context.first, context.sequenceAtTime),
    replaceDurable: context.replaceDurable,
  };
  const existing = state.channels.get(channel);
  return (existing === undefined ? undefined : refusalToAttach(existing, subscribe)) ?? subscribe;
}

/** Checks an unsubscribe (`remove`) or sub close request; to be called behind the barrier. */
export function admitUnsubscribe(
  state: State,
  request: UnsubscribeRequest | undefined,
  remove: boolean,
): Unsubscribe | Refusal {
  if (request === undefined) return refused(Text.invalidUnsubscribeRequest);
  const { clientId, subject: channel, inbox } = request;
  const subscription = refusalToEnd(state, { clientId, channel, inbox });
  if ("kind" in subscription) return subscription;
  return { kind: "unsubscribe", clientId, channel, inbox, remove };
}

/** Checks a close request; to be called behind the barrier. */
export function admitClose(state: State, request: CloseRequest | undefined): Disconnect | Refusal {
  if (request === undefined) return refused(Text.invalidCloseRequest);
  const { clientId } = request;
  return state.clients.has(clientId) ? { kind: "disconnect", clientId } : refused(Text.unknownClientId);
}

/** The client that pings. A ping that is empty or cannot be decoded gets no answer at all, so it does not come here. */
export function admitPing(state: State, request: Ping): { readonly kind: "known"; readonly client: Client } | Refusal {
  const client = state.clientsByConnId.get(connIdKey(request.connId));
  return client === undefined ? refused(Text.unknownConnection) : { kind: "known", client };
}
