/**
 * Raft messages as bytes. All numbers are varints or little-endian; texts are a length and UTF-8.
 *
 *     0 u32 CRC-32C of bytes 4 to 8 + head   4 u32 length of the head   8 head   then the payloads of entries, back to back
 *     head: u8 format  u8 kind  text cluster id  8 bytes boot id of the sender  8 bytes boot id of the receiver, or zeros
 *           text from  text incarnation  text to  text expected  text identity  text founders  varint term  varint largest NATS payload
 *           then what the kind asks for; for each entry of an append: u8 kind, term, payload length, u32 CRC-32 (zlib) of the payload
 *
 * A payload has its own checksum, so that no byte is summed twice. Messages that exceed what NATS takes travel in chunks.
 */
import type { Append, Entry, Header, HeartbeatReply, Member, Membership, Message, SnapshotMark } from "../core/mod.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { crc32c } from "./crc32c.ts";
import { checksumOf, payloadChecksum, rememberChecksum } from "./payload_checksum.ts";
import { Malformed } from "../../protocol/varint.ts";

export const WIRE_FORMAT = 2;

/** What the transport adds to a message. Boot ids are 16 hexadecimal digits; zeros when unknown. */
export interface Envelope {
  readonly clusterId: string;
  readonly fromBoot: string;
  readonly toBoot: string;
  readonly maxPayload: number;
}

export const NO_BOOT = "0000000000000000";

const KINDS = [
  "pre-vote",
  "pre-vote reply",
  "vote",
  "vote reply",
  "append",
  "append reply",
  "append refusal",
  "heartbeat",
  "heartbeat reply",
  "timeout now",
  "goodbye",
  "removed",
  "snapshot announce",
  "snapshot reply",
] as const satisfies readonly Message["kind"][];

const REASONS = ["granted", "leader known", "log older", "voted", "not same cluster", "distrusted", "blank"] as const;
const DISKS = ["ok", "slow", "full"] as const;
const ENTRY_KINDS = [
  "operations",
  "facts",
  "no-op",
  "membership",
  "identity",
] as const satisfies readonly Entry["kind"][];
const NOTHING = new Uint8Array(0);

/** The number under which the log keeps an entry's kind. */
export function entryKind(entry: Entry): number {
  return ENTRY_KINDS.indexOf(entry.kind);
}

/** What the log keeps of an entry besides index, term and kind. */
export function entryPayload(entry: Entry): Uint8Array {
  switch (entry.kind) {
    case "operations":
    case "facts":
      return entry.payload;
    case "no-op":
      return NOTHING;
    case "membership":
      return encodeMembership(entry.membership);
    case "identity":
      return new TextEncoder().encode(entry.identity);
  }
}

/** An entry as the log kept it. Throws Malformed. */
export function entryFrom(kind: number, index: number, term: number, payload: Uint8Array): Entry {
  const name = ENTRY_KINDS[kind];
  switch (name) {
    case "operations":
    case "facts":
      return { kind: name, index, term, payload };
    case "no-op":
      return { kind: name, index, term };
    case "membership":
      return { kind: name, index, term, membership: decodeMembership(payload) };
    case "identity":
      return { kind: name, index, term, identity: new TextDecoder().decode(payload) };
    default:
      throw new Malformed(`unknown entry kind ${kind}`, 0);
  }
}

export function writeMembership(into: ByteWriter, membership: Membership): void {
  into.number(membership.members.length);
  for (const member of membership.members) {
    into.text(member.id);
    into.text(member.incarnation);
    into.byte(member.voter ? 1 : 0);
  }
}

export function readMembership(from: ByteReader): Membership {
  const count = from.number();
  const members: Member[] = [];
  for (let i = 0; i < count; i++) {
    members.push({ id: from.text(), incarnation: from.text(), voter: from.byte() === 1 });
  }
  return { members };
}

export function writeMark(into: ByteWriter, mark: SnapshotMark): void {
  into.number(mark.index);
  into.number(mark.term);
  into.number(mark.membership.index);
  writeMembership(into, mark.membership.membership);
  into.text(mark.identity);
}

export function readMark(from: ByteReader): SnapshotMark {
  const place = { index: from.number(), term: from.number() };
  const membership = { index: from.number(), membership: readMembership(from) };
  return { ...place, membership, identity: from.text() };
}

function encodeMembership(membership: Membership): Uint8Array {
  const writer = new ByteWriter();
  writeMembership(writer, membership);
  return writer.take();
}

function decodeMembership(bytes: Uint8Array): Membership {
  return readMembership(new ByteReader(bytes));
}

const writer = new ByteWriter();

/** The bytes of a message, as a view that is good until the next call. */
export function encodeMessage(message: Message, envelope: Envelope): Uint8Array {
  writer.clear();
  writer.u32(0);
  writer.u32(0);
  writer.byte(WIRE_FORMAT);
  writer.byte(KINDS.indexOf(message.kind));
  writer.text(envelope.clusterId);
  writer.hex(envelope.fromBoot);
  writer.hex(envelope.toBoot);
  writer.text(message.from);
  writer.text(message.incarnation);
  writer.text(message.to);
  writer.text(message.expected);
  writer.text(message.identity);
  writer.text(message.founders);
  writer.number(message.term);
  writer.number(envelope.maxPayload);
  const payloads = writeBody(writer, message);
  const head = writer.length;
  writer.setU32(4, head - 8);
  writer.setU32(0, writer.checksum(4, head));
  for (const payload of payloads) writer.bytes(payload);
  return writer.view();
}

function writeBody(into: ByteWriter, message: Message): readonly Uint8Array[] {
  switch (message.kind) {
    case "pre-vote":
    case "vote":
      into.number(message.lastIndex);
      into.number(message.lastTerm);
      into.byte((message.hint ? 1 : 0) | (message.kind === "vote" && message.transfer ? 2 : 0));
      break;
    case "pre-vote reply":
    case "vote reply":
      into.byte(REASONS.indexOf(message.reason));
      into.number(message.forTerm);
      into.number(Math.ceil(message.guardTicks));
      into.text(message.guardLeader);
      break;
    case "append":
      return writeAppend(into, message);
    case "append reply":
      into.number(message.match);
      into.byte(DISKS.indexOf(message.disk));
      break;
    case "append refusal":
      into.number(message.sequence);
      into.number(message.ask);
      into.number(message.prevIndex);
      into.number(message.conflictTerm);
      into.number(message.conflictIndex);
      into.number(message.lastIndex);
      into.byte(DISKS.indexOf(message.disk));
      break;
    case "heartbeat":
      into.number(message.commit);
      into.number(message.round);
      into.number(message.sentAt + 1);
      into.number(message.commitTerm);
      break;
    case "heartbeat reply":
      return writeHeartbeatReply(into, message);
    case "timeout now":
      break;
    case "goodbye":
      into.number(Math.ceil(message.guardTicks));
      break;
    case "removed":
      into.number(message.index);
      break;
    case "snapshot announce":
      writeMark(into, message.snapshot);
      break;
    case "snapshot reply":
      into.number(message.match);
      into.byte(message.failed ? 1 : 0);
  }
  return [];
}

function writeAppend(
  into: ByteWriter,
  { sequence, prevIndex, prevTerm, commit, answer, entries }: Append,
): Uint8Array[] {
  into.number(sequence);
  into.number(prevIndex);
  into.number(prevTerm);
  into.number(commit);
  into.number(answer);
  into.number(entries.length);
  const payloads: Uint8Array[] = [];
  for (const entry of entries) {
    const payload = entryPayload(entry);
    into.byte(entryKind(entry));
    into.number(entry.term);
    into.number(payload.length);
    into.u32(checksumOf(payload));
    payloads.push(payload);
  }
  return payloads;
}

/** Where a message comes from and goes to; enough to decide whether to read on. */
export interface Decoded {
  readonly message: Message;
  readonly envelope: Envelope;
}

/** Reads a message; `bytes` belongs to it from then on. Throws Malformed: damaged, or not for this cluster id. */
export function decodeMessage(bytes: Uint8Array, clusterId: string): Decoded {
  const reader = new ByteReader(bytes);
  const sum = reader.u32();
  const end = reader.u32() + 8;
  if (end > bytes.length) throw new Malformed("message cut off", bytes.length);
  if (crc32c(bytes, 4, end) !== sum) throw new Malformed("checksum of the head", 0);
  const format = reader.byte();
  if (format !== WIRE_FORMAT) throw new Malformed(`message format ${format}, this server speaks ${WIRE_FORMAT}`, 8);
  const kind = KINDS[reader.byte()];
  if (kind === undefined) throw new Malformed("unknown kind of message", 9);
  const theirs = reader.text();
  if (theirs !== clusterId) throw new Malformed(`message of cluster ${theirs}`, 10);
  const fromBoot = reader.hex(8);
  const toBoot = reader.hex(8);
  const header: Header = {
    from: reader.text(),
    incarnation: reader.text(),
    to: reader.text(),
    expected: reader.text(),
    identity: reader.text(),
    founders: reader.text(),
    term: reader.number(),
  };
  const envelope = { clusterId, fromBoot, toBoot, maxPayload: reader.number() };
  return { envelope, message: readBody(reader, kind, header, bytes, end) };
}

function readBody(r: ByteReader, kind: Message["kind"], header: Header, bytes: Uint8Array, end: number): Message {
  switch (kind) {
    case "pre-vote":
    case "vote": {
      const last = { lastIndex: r.number(), lastTerm: r.number() };
      const flags = r.byte();
      const hint = (flags & 1) !== 0;
      return kind === "vote"
        ? { kind, ...header, ...last, hint, transfer: (flags & 2) !== 0 }
        : { kind, ...header, ...last, hint };
    }
    case "pre-vote reply":
    case "vote reply": {
      const reason = REASONS[r.byte()] ?? "not same cluster";
      return { kind, ...header, reason, forTerm: r.number(), guardTicks: r.number(), guardLeader: r.text() };
    }
    case "append":
      return readAppend(r, header, bytes, end);
    case "append reply":
      return { kind, ...header, match: r.number(), disk: disk(r) };
    case "append refusal": {
      const sequence = r.number();
      const ask = r.number();
      const prevIndex = r.number();
      const conflict = { conflictTerm: r.number(), conflictIndex: r.number() };
      return { kind, ...header, sequence, ask, prevIndex, ...conflict, lastIndex: r.number(), disk: disk(r) };
    }
    case "heartbeat":
      return readHeartbeat(r, header, end);
    case "heartbeat reply":
      return readHeartbeatReply(r, header, end);
    case "timeout now":
      return { kind, ...header };
    case "goodbye":
      return { kind, ...header, guardTicks: r.number() };
    case "removed":
      return { kind, ...header, index: r.number() };
    case "snapshot announce":
      return { kind, ...header, snapshot: readMark(r) };
    case "snapshot reply":
      return { kind, ...header, match: r.number(), failed: r.byte() === 1 };
  }
}

function readHeartbeat(r: ByteReader, header: Header, end: number): Message {
  const fields = { commit: r.number(), round: r.number(), sentAt: r.number() - 1 };
  // Nodes of earlier versions do not tell it.
  return { kind: "heartbeat", ...header, ...fields, commitTerm: r.at < end ? r.number() : 0 };
}

function writeHeartbeatReply(into: ByteWriter, message: HeartbeatReply): [] {
  into.number(message.round);
  into.number(message.sentAt + 1);
  into.number(message.applied);
  into.byte(DISKS.indexOf(message.disk));
  into.number(message.installing);
  into.number(message.installingTerm);
  return [];
}

function readHeartbeatReply(r: ByteReader, header: Header, end: number): Message {
  const fields = { round: r.number(), sentAt: r.number() - 1, applied: r.number(), disk: disk(r) };
  const tells = r.at < end;
  const installing = tells ? r.number() : 0;
  return { kind: "heartbeat reply", ...header, ...fields, installing, installingTerm: tells ? r.number() : 0 };
}

function disk(reader: ByteReader): (typeof DISKS)[number] {
  return DISKS[reader.byte()] ?? "ok";
}

function readAppend(r: ByteReader, header: Header, bytes: Uint8Array, end: number): Message {
  const sequence = r.number();
  const prevIndex = r.number();
  const prevTerm = r.number();
  const commit = r.number();
  const answer = r.number();
  const count = r.number();
  const entries: Entry[] = [];
  let at = end;
  for (let i = 1; i <= count; i++) {
    const kind = r.byte();
    const term = r.number();
    const length = r.number();
    const sum = r.u32();
    if (at + length > bytes.length) throw new Malformed("entry cut off", at);
    const payload = bytes.subarray(at, at + length);
    if (payloadChecksum(payload) !== sum) throw new Malformed("checksum of an entry", at);
    rememberChecksum(payload, sum);
    entries.push(entryFrom(kind, prevIndex + i, term, payload));
    at += length;
  }
  return { kind: "append", ...header, sequence, prevIndex, prevTerm, commit, answer, entries };
}
