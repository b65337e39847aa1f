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
import { type ChannelBounds, startOf } from "./start_position.ts";
import type { Channel, Client, State } from "./state.ts";
import { refusalToAttach, refusalToEnd } from "./subscribing.ts";

const CLIENT_ID = /^[a-zA-Z0-9_-]+$/;

/** The id is taken: `client` must be asked for a sign of life before the connection may be made with `replace`. */
export interface Registered {
  readonly kind: "registered";
  readonly client: Client;
}

/** Checks a connect request. `replace`: the client registered under this id was asked and did not answer. */
export function admitConnect(
  state: State,
  request: ConnectRequest | undefined,
  replace = false,
): Connect | Registered | Refusal {
  if (request === undefined || request.heartbeatInbox === "") return refused(Text.invalidConnectRequest);
  if (!CLIENT_ID.test(request.clientId)) return refused(Text.invalidClientId);
  const client = state.clients.get(request.clientId);
  if (client !== undefined && !replace) return { kind: "registered", client };
  const { clientId, heartbeatInbox, connId, protocol, pingInterval, pingMaxOut } = request;
  return { kind: "connect", clientId, heartbeatInbox, connId, protocol, pingInterval, pingMaxOut, replace };
}

/** The client that publishes: by connection id when there is one, which alone counts then (spec streaming, section 2.4). */
export function publisherOf(state: State, connId: Uint8Array, clientId: string): Client | undefined {
  return connId.length > 0 ? state.clientsByConnId.get(connIdKey(connId)) : state.clients.get(clientId);
}

/**
 * The channel to publish to, or the operation that must come first, or why not. The answer holds until channels come or
 * go: ask once per channel and batch, not per message.
 */
export function admitPublish(state: State, channel: string): Channel | CreateChannel | Refusal {
  const existing = state.channels.get(channel);
  if (existing !== undefined) return existing.deleting ? refused(Text.channelBeingDeleted) : existing;
  if (!isChannelName(channel)) return refused(Text.invalidPublishRequest);
  return refusalToCreate(state, channel) ?? { kind: "create channel", channel };
}

/** What a subscribe request depends on besides the state. */
export interface SubscribeContext {
  /** The channel's bounds in the store; undefined when it does not exist. */
  readonly bounds: ChannelBounds | undefined;
  /** A fresh inbox for acks. */
  readonly ackInbox: string;
  /** Option `replace_durable`. */
  readonly replaceDurable: boolean;
  /** The hidden test switch: negative ack waits mean milliseconds. */
  readonly allowNegativeAckWait?: boolean;
}

/** The checks of a subscribe request that need no state: 1 to 6 of section 5.1. `undefined` when it passes. */
export function subscribeProblem(
  request: SubscriptionRequest | undefined,
  allowNegativeAckWait = false,
): Refusal | undefined {
  if (request === undefined) return refused(Text.invalidSubscribeRequest);
  if (request.clientId === "") return refused(Text.clientIdMissing);
  if (request.ackWaitInSecs < 1 && !(allowNegativeAckWait && request.ackWaitInSecs < 0)) {
    return refused(Text.invalidAckWait);
  }
  if (request.maxInFlight < 1) return refused(Text.invalidMaxInFlight);
  if (request.startPosition < 0 || request.startPosition > 4) return refused(Text.invalidStartPosition);
  return isChannelName(request.subject) ? undefined : refused(Text.invalidSubject);
}

/**
 * Checks a subscribe request in the order of section 5.1. The operations are to be committed together; creating the
 * channel comes first, and may take effect although the subscription itself is refused.
 */
export function admitSubscribe(
  state: State,
  request: SubscriptionRequest | undefined,
  context: SubscribeContext,
): readonly [CreateChannel, Subscribe] | readonly [CreateChannel, Refusal] | Refusal {
  const problem = subscribeProblem(request, context.allowNegativeAckWait);
  if (problem !== undefined) return problem;
  const { clientId, subject: channel, queueGroup, inbox, maxInFlight, ackWaitInSecs, durableName } = request!;
  if (!state.clients.has(clientId)) return refused(Text.unknownClientId);
  const refusal = refusalToCreate(state, channel);
  if (refusal !== undefined) return refusal;
  const create: CreateChannel = { kind: "create channel", channel };
  if (queueGroup !== "" && durableName.includes(":")) return [create, refused(Text.durableNameWithColon)];
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
    start: startOf(request!, context.bounds ?? { first: 0 }),
    replaceDurable: context.replaceDurable,
  };
  const existing = state.channels.get(channel);
  const attaching = existing === undefined ? undefined : refusalToAttach(existing, subscribe);
  return attaching ?? [create, subscribe];
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

/** The client that pings. An empty ping, or one that cannot be decoded, gets no answer at all: `undefined`. */
export function admitPing(state: State, request: Ping | undefined): Client | Refusal | undefined {
  if (request === undefined || request.connId.length === 0) return undefined;
  return state.clientsByConnId.get(connIdKey(request.connId)) ?? refused(Text.unknownConnection);
}
