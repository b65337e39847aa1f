/**
 * How Raft messages travel: their bytes, their subjects, in pieces where they are large.
 * Knows the message bus and the largest payload of each peer.
 * Must not know: what a message does to its receiver.
 */
export { ByteReader, ByteWriter } from "./bytes.ts";
export { crc32c } from "./crc32c.ts";
export { checksumOf, payloadChecksum } from "./payload_checksum.ts";
export { SignedBus } from "./signed_bus.ts";
export { addSubject, bootstrapSubject, joinSubject, nodeSubject, removeSubject, whoSubject } from "./subjects.ts";
export { Transport } from "./transport.ts";
export { entryFrom, entryKind, entryPayload, readMark, writeMark } from "./wire_format.ts";
