import assert from "node:assert/strict";
import { isPublishable, isSubscribable } from "./publish_subject.ts";

const encoder = new TextEncoder();

Deno.test("isPublishable() takes literals, also those that only look like wildcards", () => {
  for (const subject of ["a", "a.b", "a*", "**", ">b", "a.b>.c", "a..b", "ü.x", "a-_$.1"]) {
    assert.equal(isPublishable(encoder.encode(subject)), true, subject);
  }
});

Deno.test("isPublishable() refuses nothing, white space, control bytes and wildcard tokens", () => {
  for (const subject of ["", " ", "a b", "a\t", "a\r\nPUB b 0", "a\0", "*", ">", "a.*", "*.a", "a.*.b", "a.>", ">.a"]) {
    assert.equal(isPublishable(encoder.encode(subject)), false, JSON.stringify(subject));
  }
});

Deno.test("isSubscribable() takes wildcards in their places", () => {
  for (const subject of ["a", "a.*", "*.*", "a.>", ">", "a.**", "a.>b.c", "_INBOX.x.*"]) {
    assert.equal(isSubscribable(encoder.encode(subject)), true, subject);
  }
});

Deno.test("isSubscribable() refuses empty tokens, white space, and a full wildcard before the end", () => {
  for (const subject of ["", ".", "a.", ".a", "a..b", "a b", "a\n", "a.>.b", ">.a"]) {
    assert.equal(isSubscribable(encoder.encode(subject)), false, JSON.stringify(subject));
  }
});
