import assert from "node:assert/strict";
import { covers, matches, splitEntry } from "./subject_rules.ts";
import fc from "fast-check";
import { sameName } from "../security/distinguished_names.ts";

const pattern = fc.array(fc.constantFrom("a", "b", "*"), { minLength: 1, maxLength: 4 })
  .chain((tokens) => fc.boolean().map((rest) => [...tokens, ...(rest ? [">"] : [])].join(".")));
const literal = fc.array(fc.constantFrom("a", "b"), { minLength: 1, maxLength: 6 }).map((tokens) => tokens.join("."));

Deno.test("matches() and covers() know tokens, `*` and `>`", () => {
  for (const [wide, subject] of [["a.*", "a.b"], ["a.>", "a.b.c"], [">", "a"], ["*.b", "a.b"], ["a.*", "a.*"]]) {
    assert.ok(matches(wide!, subject!), `${wide} ${subject}`);
  }
  for (const [wide, subject] of [["a.*", "a"], ["a.>", "a"], ["a", "b"], ["a.*", "a.b.c"], ["a.b", "a.*"]]) {
    assert.equal(matches(wide!, subject!), false, `${wide} ${subject}`);
  }
  assert.ok(covers("a.>", "a.*.b"));
  assert.ok(covers("a.>", "a.>"));
  assert.equal(covers("a.*", "a.>"), false);
  assert.equal(covers("*", ">"), false);
  assert.equal(covers("a.b", "a.*"), false);
});

Deno.test("what a covered pattern matches is matched by the covering one", () => {
  fc.assert(
    fc.property(pattern, pattern, literal, (wide, narrow, subject) => {
      if (covers(wide, narrow) && matches(narrow, subject)) assert.ok(matches(wide, subject));
    }),
    { numRuns: 5_000 },
  );
});

Deno.test("an entry may name a queue", () => {
  assert.deepEqual(splitEntry("a.b"), { subject: "a.b", queue: undefined });
  assert.deepEqual(splitEntry(" a.b  q.* "), { subject: "a.b", queue: "q.*" });
});

Deno.test("distinguished names are the same in any order of their parts", () => {
  assert.ok(sameName("CN=a,OU=b", "OU=b, CN=a"));
  assert.ok(sameName("cn=a", "CN=a"));
  assert.ok(sameName("CN=a\\,b", "CN=a\\,b"));
  for (const other of ["CN=b,OU=b", "CN=a", "CN=a,OU=b,O=c", "", "me"]) {
    assert.equal(sameName("CN=a,OU=b", other), false);
  }
  assert.equal(sameName("me", "me"), false);
});
