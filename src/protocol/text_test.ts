import assert from "node:assert/strict";
import { decodeText, encodeText } from "./text.ts";

const TEXTS = [
  "",
  "a",
  "node-1",
  "BxRMpzbjjTzB0HF6WcCQtP",
  "ü",
  "a\u0080b",
  "€".repeat(20),
  "😀x",
  "x".repeat(64),
  "y".repeat(65),
];

Deno.test("texts are written and read as the runtime's encoder does", () => {
  for (const text of TEXTS) {
    const into = new Uint8Array(text.length * 3 + 10).fill(0xee);
    const end = encodeText(text, into, 5);
    assert.deepEqual(into.subarray(5, end), new TextEncoder().encode(text), JSON.stringify(text));
    for (let round = 0; round < 3; round++) assert.equal(decodeText(into, 5, end), text);
  }
});

Deno.test("texts that share a place are told apart, however many come", () => {
  const bytes = new Uint8Array(16);
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 5_000; i++) {
      const text = `name ${i}`;
      assert.equal(decodeText(bytes, 0, encodeText(text, bytes, 0)), text);
    }
  }
});

Deno.test("bytes that are no UTF-8 become U+FFFD, and are not taken for a text that holds the same units", () => {
  const latin = Uint8Array.of(0xe9, 0x41);
  for (let round = 0; round < 2; round++) assert.equal(decodeText(latin, 0, 2), "\ufffdA");
  const proper = new TextEncoder().encode("\ufffdA");
  assert.equal(decodeText(proper, 0, proper.length), "\ufffdA");
});
