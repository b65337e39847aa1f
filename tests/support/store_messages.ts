/** Putting messages into a log and looking at what is there. */
import type { MessageLog, RecoveredState, Store } from "../../src/ports/store.ts";
import type { StoreLimits } from "../../src/store/mod.ts";
import type { Nanos, Sequence } from "../../src/protocol/units.ts";
import { MsgProto } from "../../src/protocol/client_messages.ts";
import type { ClientInfo, ServerInfo, SubscriptionState } from "../../src/protocol/stored_records.ts";

/** A time to begin with: a whole second. */
export const START: Nanos = 1_800_000_000_000_000_000n;
export const SECOND: Nanos = 1_000_000_000n;

/** MsgProto fields 2 to 4. */
export function fieldsOf(channel: string, data: Uint8Array | string, reply = ""): Uint8Array {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  return MsgProto.encode({ subject: channel, reply, data: bytes });
}

/** Appends a message; its time is {@link START} plus its sequence in seconds unless given. */
export function put(
  log: MessageLog,
  channel: string,
  sequence: Sequence,
  data: Uint8Array | string = "",
  time?: Nanos,
): void {
  const fields = fieldsOf(channel, data);
  log.append(sequence, time ?? START + BigInt(sequence) * SECOND, fields, 0, fields.length);
}

/** Appends messages `from` to `to`; the payload of each is `message n`. */
export function putMany(log: MessageLog, channel: string, from: Sequence, to: Sequence): void {
  for (let sequence = from; sequence <= to; sequence++) put(log, channel, sequence, `message ${sequence}`);
}

/** Every message of a range, decoded from what the log hands out. */
export async function messagesOf(log: MessageLog, from = 1, to: Sequence = log.last): Promise<MsgProto[]> {
  const found: MsgProto[] = [];
  let next = from;
  while (next <= to) {
    next = await log.read(next, to, 64 * 1024, (_sequence, buffer, start, end) => {
      found.push(MsgProto.decode(buffer, start, end));
      return true;
    });
  }
  return found;
}

/** The sequences of a range that exist. */
export async function sequencesOf(log: MessageLog, from = 1, to: Sequence = log.last): Promise<Sequence[]> {
  return (await messagesOf(log, from, to)).map((message) => message.sequence);
}

/** One message; `undefined` if there is none. */
export async function lookup(log: MessageLog, sequence: Sequence): Promise<MsgProto | undefined> {
  let found: MsgProto | undefined;
  await log.read(sequence, sequence, 0, (_sequence, buffer, start, end) => {
    found = MsgProto.decode(buffer, start, end);
    return true;
  });
  return found;
}

export function textOf(message: MsgProto | undefined): string | undefined {
  return message === undefined ? undefined : new TextDecoder().decode(message.data);
}

export const identity: ServerInfo = {
  clusterId: "test",
  discovery: "_STAN.discover.test",
  publish: "_STAN.pub.test",
  subscribe: "_STAN.sub.test",
  unsubscribe: "_STAN.unsub.test",
  close: "_STAN.close.test",
  subClose: "_STAN.subclose.test",
  acksSubs: "_STAN.ack.test",
  nodeId: "",
  clusterIdentity: "",
};

export function clientOf(id: string, more: Partial<ClientInfo> = {}): ClientInfo {
  return {
    id,
    heartbeatInbox: `hb.${id}`,
    connId: new TextEncoder().encode(`conn-${id}`),
    protocol: 1,
    pingInterval: 5,
    pingMaxOut: 3,
    ...more,
  };
}

export function subscriptionOf(id: number, more: Partial<SubscriptionState> = {}): SubscriptionState {
  return {
    id,
    clientId: "me",
    queueGroup: "",
    inbox: `inbox.${id}`,
    ackInbox: `ack.${id}`,
    maxInFlight: 16,
    ackWaitInSecs: 30,
    durableName: "",
    lastSent: 0,
    isDurable: false,
    isClosed: false,
    ...more,
  };
}

/** Limits of which only some are set, the rest being unlimited. */
export function limitsWith(
  channel: Partial<StoreLimits["global"]>,
  maxChannels = 0,
  channels?: StoreLimits["channels"],
): StoreLimits {
  const global = { maxSubscriptions: 0, maxMessages: 0, maxBytes: 0, maxAge: 0n, maxInactivity: 0n, ...channel };
  return channels === undefined ? { maxChannels, global } : { maxChannels, global, channels };
}

/** Recovers a store, which is initialised if there was nothing. */
export async function start(store: Store): Promise<RecoveredState> {
  const state = await store.recover();
  if (state !== undefined) return state;
  await store.init(identity);
  return { info: identity, clients: [], channels: new Map() };
}
