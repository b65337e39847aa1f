import assert from "node:assert/strict";
import { errorPage, localTime } from "./page_texts.ts";

const SECOND = 1_000_000_000n;

Deno.test("errors are plain text with a final line end", () => {
  assert.deepEqual(errorPage(404, "Client x not found").body, "Client x not found\n");
});

Deno.test("times name the same moment, with as many digits as it needs", () => {
  const wall = 1_795_340_807n * SECOND;
  for (
    const [nanos, digits] of [[0n, ""], [500_000_000n, ".5"], [1n, ".000000001"], [123_456_780n, ".12345678"]] as const
  ) {
    const text = localTime(wall + nanos);
    assert.equal(/T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(text)?.[1] ?? "", digits);
    assert.equal(Math.floor(Date.parse(text) / 1000), 1_795_340_807);
  }
});
