import assert from "node:assert/strict";
import { wordViolations } from "./check_words.ts";

Deno.test("words: unfinished marks and machine paths are found with their line", () => {
  const mark = "FIX" + "ME";
  const folder = "/ho" + "me/";
  const complaints = wordViolations(
    new Map([["src/a.ts", `fine\n// ${mark}: later\n`], ["docs/b.md", `see \`${folder}me/x\``]]),
  );
  assert.equal(complaints.length, 2);
  assert.match(complaints[0]!, /^src\/a\.ts:2: .* does not belong here; finish it/);
  assert.match(complaints[1]!, /^docs\/b\.md:1: .* does not belong here; use a path relative/);
});

Deno.test("words: other words are fine", () => {
  assert.deepEqual(wordViolations(new Map([["a.md", "a mastodon at https://example.org/home/ and homework/x"]])), []);
});
