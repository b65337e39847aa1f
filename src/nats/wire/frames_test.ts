import assert from "node:assert/strict";
import {
  copy,
  errorFrame,
  hashOf,
  infoFrame,
  latin1Bytes,
  messagePrefix,
  quoted,
  textOf,
  writeNumber,
} from "./frames.ts";
import fc from "fast-check";

const text = (bytes: Uint8Array) => textOf(bytes, 0, bytes.length);
/** One character a byte, as subjects are held. */
const oneByteEach = (unicode: string) => text(new TextEncoder().encode(unicode));

Deno.test("quoted() escapes as Go's %q does, and leaves readable characters alone", () => {
  const cases: [string, string][] = [
    ["foo", '"foo"'],
    ['a"b\\c', '"a\\"b\\\\c"'],
    ["a\0b\x1f\x7f", '"a\\x00b\\x1f\\x7f"'],
    ["\x07\b\f\n\r\t\v", '"\\a\\b\\f\\n\\r\\t\\v"'],
    ["é.ü", '"é.ü"'],
    ["\u200b", '"\\u200b"'],
  ];
  for (const [plain, expected] of cases) assert.equal(quoted(oneByteEach(plain)), oneByteEach(expected), plain);
});

Deno.test("commands have the bytes that clients expect", () => {
  assert.equal(text(errorFrame("Stale Connection")), "-ERR 'Stale Connection'\r\n");
  assert.equal(text(infoFrame({ a: 1 })), 'INFO {"a":1} \r\n');
  assert.equal(text(messagePrefix("foo.bar", "7")), "HMSG foo.bar 7 ");
});

Deno.test("numbers are written in decimal, at any place", () => {
  fc.assert(fc.property(fc.nat(2 ** 31 - 1), fc.nat(5), (value, at) => {
    const bytes = new Uint8Array(20);
    const end = writeNumber(value, bytes, at);
    assert.equal(textOf(bytes, at, end), String(value));
    assert.ok(bytes.subarray(end).every((byte) => byte === 0));
  }));
});

Deno.test("copy() moves exactly the bytes asked for, short runs and long", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(60), fc.nat(60), (source, a, b) => {
    const [from, to] = [Math.min(a, b, source.length), Math.min(Math.max(a, b), source.length)];
    const target = new Uint8Array(70).fill(1);
    assert.equal(copy(source, from, to, target, 3), 3 + to - from);
    assert.deepEqual(target.slice(3, 3 + to - from), source.slice(from, to));
    assert.ok(target.subarray(3 + to - from).every((byte) => byte === 1));
  }));
  assert.equal(hashOf(latin1Bytes("foobar"), 0, 6), 0xbf9cf968);
});
