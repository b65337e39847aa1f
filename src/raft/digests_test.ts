import assert from "node:assert/strict";
import { Digests, ROUND } from "./digests.ts";

const none = { roundIndex: 0, roundDigest: 0, index: 0, digest: 0, scheme: 3 };

Deno.test("D8: states are compared as of the last round that both know, or of the last entry when that is the same", () => {
  const digests = new Digests(3);
  digests.note(ROUND, 7);
  digests.note(2 * ROUND, 8);
  digests.note(2 * ROUND + 5, 9);
  assert.deepEqual(digests.marks, {
    roundIndex: 2 * ROUND,
    roundDigest: 8,
    index: 2 * ROUND + 5,
    digest: 9,
    scheme: 3,
  });
  assert.deepEqual(digests.compare({ ...none, roundIndex: ROUND, roundDigest: 7 }), { result: "equal", index: ROUND });
  assert.equal(digests.compare({ ...none, roundIndex: ROUND, roundDigest: 6 }).result, "different");
  assert.equal(digests.compare({ ...none, index: 2 * ROUND + 5, digest: 9 }).result, "equal");
  assert.equal(digests.compare({ ...none, index: 2 * ROUND + 5, digest: 1 }).result, "different");
});

Deno.test("D8: what only one of the two knows is not compared", () => {
  const digests = new Digests(3);
  digests.note(ROUND, 7);
  for (
    const theirs of [none, { ...none, index: ROUND, digest: 6, scheme: 2 }, { ...none, index: 3, digest: 1 }, {
      ...none,
      index: ROUND,
      digest: 0,
    }]
  ) {
    assert.equal(digests.compare(theirs).result, "unknown");
  }
  digests.clear();
  assert.equal(digests.compare({ ...none, roundIndex: ROUND, roundDigest: 6 }).result, "unknown");
  digests.note(2 * ROUND, 0);
  assert.deepEqual(digests.marks, { ...none, index: 2 * ROUND });
});

Deno.test("D8: only so many rounds are remembered, the newest", () => {
  const digests = new Digests(3);
  for (let round = 1; round <= 1000; round++) digests.note(round * ROUND, round);
  assert.equal(digests.compare({ ...none, roundIndex: ROUND, roundDigest: 1 }).result, "unknown");
  assert.equal(digests.compare({ ...none, roundIndex: 900 * ROUND, roundDigest: 900 }).result, "equal");
});
