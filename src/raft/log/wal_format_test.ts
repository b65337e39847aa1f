import assert from "node:assert/strict";
import { crc32c, payloadChecksum } from "../wire/mod.ts";
import { chainFits, ENTRY, readRecord, RECORD_HEADER, recordSize, type WalRecord, writeRecord } from "./wal_format.ts";

const payload = new TextEncoder().encode("what was agreed upon");

function record(): Uint8Array {
  const bytes = new Uint8Array(recordSize(payload.length));
  writeRecord(bytes, 0, { type: ENTRY, index: 7, term: 3, synced: 48 }, payload, payloadChecksum(payload), 5);
  return bytes;
}

/** As {@link record}, as version 1 wrote it: with a CRC-32C of the payload. */
function recordOfVersion1(payloadSum: number): Uint8Array {
  const bytes = record();
  const view = new DataView(bytes.buffer);
  bytes[2] = 1;
  view.setUint32(28, payloadSum, true);
  view.setUint32(32, crc32c(bytes, 0, 32), true);
  const chain = new DataView(new ArrayBuffer(8));
  chain.setUint32(0, 5, true);
  chain.setUint32(4, view.getUint32(32, true), true);
  view.setUint32(36, crc32c(new Uint8Array(chain.buffer)), true);
  return bytes;
}

function read(bytes: Uint8Array): WalRecord | undefined {
  const into: WalRecord = { type: 0, index: 0, term: 0, synced: 0, start: 0, length: 0, chain: 0 };
  return readRecord(bytes, 0, bytes.length, into) && chainFits(bytes, 0, 5) ? into : undefined;
}

Deno.test("a record is read as it was written, also one of version 1", () => {
  for (const bytes of [record(), recordOfVersion1(crc32c(payload))]) {
    const found = read(bytes)!;
    assert.deepEqual([found.type, found.index, found.term, found.synced], [ENTRY, 7, 3, 48]);
    assert.deepEqual(bytes.subarray(found.start, found.start + found.length), payload);
  }
});

Deno.test("whatever is changed in a record is noticed, in either version", () => {
  const end = RECORD_HEADER + payload.length;
  for (const bytes of [record(), recordOfVersion1(crc32c(payload))]) {
    for (let at = 0; at < end; at++) {
      bytes[at]! ^= 0x10;
      assert.equal(read(bytes), undefined, `byte ${at}`);
      bytes[at]! ^= 0x10;
    }
  }
  assert.equal(read(recordOfVersion1(payloadChecksum(payload))), undefined);
  assert.equal(read(record().fill(3, 2, 3)), undefined);
});
