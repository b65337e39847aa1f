/**
 * Operations and delivery facts as bytes: what a replicated log holds. The bytes of published messages are written once
 * and read as views.
 *
 *     operation:  | kind u8 | body length varint | body |
 *     publish:    | name length varint | name | time varint | count varint
 *                 | count × 4 length varints (fields, guid, reply, client) | bytes |
 *
 * All other bodies are protobuf, declared below. A list is its elements one after the other.
 */
import {
  type Connect,
  type DeliveryFact,
  MARKS,
  type Operation,
  type PackedMessages,
  type Publish,
  type SetLimits,
  type Start,
  type Subscribe,
} from "./operations.ts";
import { bool, bytes, type Declared, int32, int64, message, packed, repeated, string, uint64 } from "./schema.ts";
import { Malformed, varint64Length, varintLength, VarintReader, writeVarint, writeVarint64 } from "./varint.ts";

const KINDS = [
  "connect",
  "disconnect",
  "create channel",
  "delete channel",
  "publish",
  "subscribe",
  "unsubscribe",
  "expire",
  "set limits",
] as const satisfies readonly Operation["kind"][];

const ConnectBody = message({
  clientId: string(1),
  heartbeatInbox: string(2),
  connId: bytes(3),
  protocol: int32(4),
  pingInterval: int32(5),
  pingMaxOut: int32(6),
  replace: bool(7),
});
const DisconnectBody = message({ clientId: string(1), heartbeatInbox: string(2) });
const ChannelBody = message({ channel: string(1), incarnation: uint64(2), first: uint64(3), last: uint64(4) });
const SubscribeBody = message({
  clientId: string(1),
  channel: string(2),
  queueGroup: string(3),
  inbox: string(4),
  ackInbox: string(5),
  maxInFlight: int32(6),
  ackWaitInSecs: int32(7),
  durableName: string(8),
  startKind: int32(9),
  startSequence: uint64(10),
  replaceDurable: bool(11),
});
const UnsubscribeBody = message({ clientId: string(1), channel: string(2), inbox: string(3), remove: bool(4) });
const LimitsBody = message({
  pattern: string(1),
  maxSubscriptions: uint64(2),
  maxMessages: uint64(3),
  maxBytes: uint64(4),
  maxAge: int64(5),
  maxInactivity: int64(6),
});
const SetLimitsBody = message({ maxChannels: uint64(1), channels: repeated(2, LimitsBody) });
const FactBody = message({
  channel: string(1),
  incarnation: uint64(2),
  subscriptionId: uint64(3),
  sent: packed(4),
  acknowledged: packed(5),
  isComplete: bool(6),
  lastSent: uint64(7),
});
const FactsBody = message({ facts: repeated(1, FactBody) });

/** The declared body of an operation other than a publish; fields that a body shares by name need no mapping. */
// deno-lint-ignore no-explicit-any -- indexed by kind; `bodyOf` and `operationOf` keep the types together
const BODIES: Record<Exclude<Operation["kind"], "publish">, Declared<any>> = {
  connect: ConnectBody,
  disconnect: DisconnectBody,
  "create channel": ChannelBody,
  "delete channel": ChannelBody,
  subscribe: SubscribeBody,
  unsubscribe: UnsubscribeBody,
  expire: ChannelBody,
  "set limits": SetLimitsBody,
};

/** Encodes operations in order into one new buffer. */
export function encodeOperations(operations: readonly Operation[]): Uint8Array {
  let size = 0;
  const lengths: number[] = [];
  for (const operation of operations) {
    const length = bodyLength(operation);
    lengths.push(length);
    size += 1 + varintLength(length) + length;
  }
  const into = new Uint8Array(size);
  let at = 0;
  operations.forEach((operation, i) => {
    into[at++] = KINDS.indexOf(operation.kind);
    at = writeVarint(into, at, lengths[i]!);
    if (operation.kind === "publish") at = writePublish(operation, into, at);
    else at = BODIES[operation.kind].encodeInto(bodyOf(operation), into, at);
  });
  return into;
}

/** Decodes what {@link encodeOperations} made; published bytes are views of `encoded`. Throws Malformed. */
export function decodeOperations(encoded: Uint8Array): Operation[] {
  const reader = new VarintReader();
  reader.reset(encoded, 0, encoded.length);
  const operations: Operation[] = [];
  while (!reader.done) {
    const kind = KINDS[encoded[reader.at]!];
    if (kind === undefined) throw new Malformed(`unknown operation kind ${encoded[reader.at]}`, reader.at);
    reader.at++;
    const length = reader.readNumber();
    const end = reader.at + length;
    if (end > encoded.length) throw new Malformed("operation ends early", reader.at);
    operations.push(
      kind === "publish"
        ? readPublish(encoded, reader.at, end)
        : operationOf(kind, BODIES[kind].decode(encoded, reader.at, end)),
    );
    reader.at = end;
  }
  return operations;
}

/** Encodes delivery facts in order. */
export function encodeFacts(facts: readonly DeliveryFact[]): Uint8Array {
  return FactsBody.encode({
    facts: facts.map(({ complete, ...fact }) => ({
      ...fact,
      sent: [...fact.sent],
      acknowledged: [...fact.acknowledged],
      isComplete: complete !== undefined,
      lastSent: complete?.lastSent ?? 0,
    })),
  });
}

/** Throws Malformed. */
export function decodeFacts(encoded: Uint8Array): DeliveryFact[] {
  return FactsBody.decode(encoded).facts.map(({ isComplete, lastSent, ...fact }) =>
    isComplete ? { ...fact, complete: { lastSent } } : fact
  );
}

function bodyLength(operation: Operation): number {
  if (operation.kind !== "publish") return BODIES[operation.kind].size(bodyOf(operation));
  const { count, bounds } = operation.messages;
  let length = nameSize(operation.channel) + varint64Length(operation.time) + varintLength(count);
  for (let i = 0; i < count * MARKS; i += MARKS) {
    for (let j = i; j < i + MARKS - 1; j++) length += varintLength(bounds[j + 1]! - bounds[j]!);
  }
  return length + packedSize(operation.messages);
}

function packedSize(messages: PackedMessages): number {
  let size = 0;
  for (let i = 0; i < messages.count * MARKS; i += MARKS) {
    size += messages.bounds[i + MARKS - 1]! - messages.bounds[i]!;
  }
  return size;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function nameSize(name: string): number {
  const length = encoder.encode(name).length;
  return varintLength(length) + length;
}

function writePublish(publish: Publish, into: Uint8Array, at: number): number {
  const { count, bytes, bounds } = publish.messages;
  const name = encoder.encode(publish.channel);
  at = writeVarint(into, at, name.length);
  into.set(name, at);
  at = writeVarint64(into, at + name.length, publish.time);
  at = writeVarint(into, at, count);
  let contiguous = true;
  for (let i = 0; i < count * MARKS; i += MARKS) {
    for (let j = i; j < i + MARKS - 1; j++) at = writeVarint(into, at, bounds[j + 1]! - bounds[j]!);
    if (i > 0 && bounds[i] !== bounds[i - 1]) contiguous = false;
  }
  if (contiguous && count > 0) {
    const view = bytes.subarray(bounds[0]!, bounds[count * MARKS - 1]!);
    into.set(view, at);
    return at + view.length;
  }
  for (let i = 0; i < count * MARKS; i += MARKS) {
    const view = bytes.subarray(bounds[i]!, bounds[i + MARKS - 1]!);
    into.set(view, at);
    at += view.length;
  }
  return at;
}

function readPublish(encoded: Uint8Array, start: number, end: number): Publish {
  const reader = new VarintReader();
  reader.reset(encoded, start, end);
  const nameLength = reader.readNumber();
  if (reader.at + nameLength > end) throw new Malformed("channel name ends early", reader.at);
  const channel = decoder.decode(encoded.subarray(reader.at, reader.at + nameLength));
  reader.at += nameLength;
  const time = reader.readInt64();
  const count = reader.readNumber();
  if (count * (MARKS - 1) > end - reader.at) throw new Malformed(`message count ${count}`, reader.at);
  const bounds = new Int32Array(count * MARKS);
  let used = 0;
  for (let i = 0; i < bounds.length; i += MARKS) {
    bounds[i] = used;
    for (let j = i + 1; j < i + MARKS; j++) bounds[j] = used += reader.readNumber();
  }
  if (reader.at + used !== end) throw new Malformed("message lengths do not add up", reader.at);
  const messages = { count, bytes: encoded.subarray(reader.at, end), bounds };
  return { kind: "publish", channel, time, messages };
}

const STARTS = ["new", "last", "sequence"] as const satisfies readonly Start["kind"][];

function bodyOf(operation: Exclude<Operation, Publish>): Record<string, unknown> {
  if (operation.kind === "subscribe") {
    const { start, ...rest } = operation;
    return {
      ...rest,
      startKind: STARTS.indexOf(start.kind),
      startSequence: start.kind === "sequence" ? start.sequence : 0,
    };
  }
  return { ...operation };
}

function operationOf(kind: Exclude<Operation["kind"], "publish">, body: Record<string, unknown>): Operation {
  if (kind === "subscribe") {
    const { startKind, startSequence, ...rest } = body as { startKind: number; startSequence: number };
    const start = STARTS[startKind];
    if (start === undefined) throw new Malformed(`unknown start ${startKind}`, 0);
    return {
      kind,
      ...rest as Omit<Subscribe, "kind" | "start">,
      start: start === "sequence" ? { kind: start, sequence: startSequence } : { kind: start },
    };
  }
  if (kind === "connect") return { kind, ...body as Omit<Connect, "kind"> };
  if (kind === "set limits") return { kind, ...body as Omit<SetLimits, "kind"> };
  if (kind === "create channel") return { kind, channel: body["channel"] as string };
  if (kind === "delete channel") {
    const { channel, incarnation, last } = body as { channel: string; incarnation: number; last: number };
    return { kind, channel, incarnation, last };
  }
  if (kind === "expire") {
    const { channel, incarnation, first } = body as { channel: string; incarnation: number; first: number };
    return { kind, channel, incarnation, first };
  }
  return { kind, ...body } as Operation;
}
