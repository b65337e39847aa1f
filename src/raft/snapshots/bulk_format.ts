/**
 * Requests for bulk data between nodes, and their answers.
 *
 *     request: u32 CRC-32C of the rest, text cluster id, text identity, u8 what, then
 *       1 snapshot: varint index, varint term, varint offset, varint largest answer
 *       2 holding:  text channel, varint incarnation
 *       3 messages: text channel, varint incarnation, varint from, varint to, varint largest answer
 *       4 digest:   text channel, varint incarnation, varint from, varint to, varint bytes to look at
 *     answer:  u32 CRC-32C of the rest, u8 status, then
 *       snapshot: varint total size, bytes · holding: varint first, varint last
 *       messages: varint next sequence, then for each message: varint sequence, varint length, bytes
 *       digest:   varint next sequence, u32 digest of the messages before it
 *       gone:     u8 1 where the channel was deleted by agreement, so that nobody has or needs its messages; else nothing
 */
import { Malformed } from "../../protocol/varint.ts";
import { ByteReader, ByteWriter, crc32c } from "../wire/mod.ts";

export type BulkRequest =
  | {
    readonly what: "snapshot";
    readonly index: number;
    readonly term: number;
    readonly offset: number;
    readonly max: number;
  }
  | { readonly what: "holding"; readonly channel: string; readonly incarnation: number }
  | {
    readonly what: "messages" | "digest";
    readonly channel: string;
    readonly incarnation: number;
    readonly from: number;
    readonly to: number;
    readonly max: number;
  };

const WHAT = ["snapshot", "holding", "messages", "digest"] as const;
/** `gone`: not here (any more). `refused`: another cluster. */
const STATUS = ["ok", "gone", "refused"] as const;
export type BulkStatus = (typeof STATUS)[number];

export function encodeRequest(clusterId: string, identity: string, request: BulkRequest): Uint8Array {
  const into = new ByteWriter();
  into.u32(0);
  into.text(clusterId);
  into.text(identity);
  into.byte(WHAT.indexOf(request.what));
  if (request.what === "snapshot") {
    for (const value of [request.index, request.term, request.offset, request.max]) into.number(value);
    return summed(into);
  }
  into.text(request.channel);
  into.number(request.incarnation);
  if (request.what !== "holding") { for (const value of [request.from, request.to, request.max]) into.number(value); }
  return summed(into);
}

/** The checksum goes in front: a channel's damaged name would be one that was deleted. */
function summed(into: ByteWriter): Uint8Array {
  into.setU32(0, into.checksum(4, into.length));
  return into.take();
}

/** Throws Malformed. */
export function decodeRequest(bytes: Uint8Array): { clusterId: string; identity: string; request: BulkRequest } {
  const from = new ByteReader(bytes);
  if (from.u32() !== crc32c(bytes, 4)) throw new Malformed("checksum of a request", 0);
  const head = { clusterId: from.text(), identity: from.text() };
  const what = WHAT[from.byte()];
  if (what === undefined) throw new Malformed("unknown request", from.at);
  if (what === "snapshot") {
    const place = { index: from.number(), term: from.number() };
    return { ...head, request: { what, ...place, offset: from.number(), max: from.number() } };
  }
  const channel = { channel: from.text(), incarnation: from.number() };
  if (what === "holding") return { ...head, request: { what, ...channel } };
  const range = { from: from.number(), to: from.number() };
  return { ...head, request: { what, ...channel, ...range, max: from.number() } };
}

/** An answer under construction. */
export class BulkAnswer {
  readonly writer = new ByteWriter();

  constructor(status: BulkStatus) {
    this.writer.u32(0);
    this.writer.byte(STATUS.indexOf(status));
  }

  take(): Uint8Array {
    return summed(this.writer);
  }
}

/** Throws Malformed. */
export function readAnswer(bytes: Uint8Array): { status: BulkStatus; body: ByteReader } {
  const body = new ByteReader(bytes);
  if (body.u32() !== crc32c(bytes, 4)) throw new Malformed("checksum of an answer", 0);
  const status = STATUS[body.byte()];
  if (status === undefined) throw new Malformed("unknown status", 4);
  return { status, body };
}
