import assert from "node:assert/strict";
import { jsonPage, uptimeText } from "./json_page.ts";

const SECOND = 1_000_000_000n;

Deno.test("JSON is indented by two blanks without a final line end, and escaped as by Go", () => {
  const page = jsonPage({ a: ["<&>\u2028\u2029"], b: {} }, null);
  assert.equal(page.body, '{\n  "a": [\n    "\\u003c\\u0026\\u003e\\u2028\\u2029"\n  ],\n  "b": {}\n}');
  assert.equal(page.headers["Content-Type"], "application/json");
  assert.equal(page.headers["Access-Control-Allow-Origin"], "*");
});

Deno.test("a callback is called with the same JSON, and the answer is script", () => {
  const page = jsonPage({ a: 1 }, "cb");
  assert.equal(page.body, 'cb({\n  "a": 1\n})');
  assert.deepEqual(page.headers, { "Content-Type": "application/javascript" });
  assert.equal(jsonPage(1, "").body, "1");
});

Deno.test("an uptime begins with its first part that is not zero", () => {
  const cases: [bigint, string][] = [
    [0n, "0s"],
    [-5n, "0s"],
    [5n, "5s"],
    [120n, "2m0s"],
    [10_801n, "3h0m1s"],
    [86_400n, "1d0h0m0s"],
    [31_536_000n, "1y0d0h0m0s"],
    [2n * 31_536_000n + 86_400n + 3_661n, "2y1d1h1m1s"],
  ];
  for (const [seconds, text] of cases) assert.equal(uptimeText(seconds * SECOND + 999_999_999n), text);
});
