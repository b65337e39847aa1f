import assert from "node:assert/strict";
import fc from "fast-check";
import { Malformed } from "../../protocol/varint.ts";
import { BulkAnswer, type BulkRequest, decodeRequest, encodeRequest, readAnswer } from "./bulk_format.ts";

const text = fc.string({ maxLength: 40 });
const number = fc.maxSafeNat();

const request: fc.Arbitrary<BulkRequest> = fc.oneof(
  fc.tuple(number, number, number, number)
    .map(([index, term, offset, max]): BulkRequest => ({ what: "snapshot", index, term, offset, max })),
  fc.tuple(text, number).map(([channel, incarnation]): BulkRequest => ({ what: "holding", channel, incarnation })),
  fc.tuple(text, number, number, number, number).map((
    [channel, incarnation, from, to, max],
  ): BulkRequest => ({ what: "messages", channel, incarnation, from, to, max })),
);

Deno.test("a request for bulk data comes back as it was", () => {
  fc.assert(fc.property(text, text, request, (clusterId, identity, asked) => {
    assert.deepEqual(decodeRequest(encodeRequest(clusterId, identity, asked)), { clusterId, identity, request: asked });
  }));
});

Deno.test("a changed request is none: it could name a channel that was never there", () => {
  fc.assert(
    fc.property(text, text, request, fc.nat(), fc.integer({ min: 1, max: 255 }), (id, identity, asked, at, change) => {
      const bytes = encodeRequest(id, identity, asked);
      bytes[at % bytes.length]! ^= change;
      assert.throws(() => decodeRequest(bytes), Malformed);
    }),
  );
});

Deno.test("noise is no request, and a changed answer is no answer", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (noise) => {
    try {
      decodeRequest(noise);
    } catch (error) {
      assert.ok(error instanceof Malformed, String(error));
    }
  }));
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 100 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (body, where, change) => {
        const answer = new BulkAnswer("ok");
        answer.writer.bytes(body);
        const bytes = answer.take();
        assert.equal(readAnswer(bytes).status, "ok");
        bytes[where % bytes.length]! ^= change;
        assert.throws(() => readAnswer(bytes), Malformed);
      },
    ),
  );
});
