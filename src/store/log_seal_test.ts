import assert from "node:assert/strict";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { logSeal } from "./log_seal.ts";

function sealWith(key: string, cipher = "", seed = 1) {
  return logSeal({ key: new TextEncoder().encode(key), cipher, random: new SeededRandom(seed) });
}

Deno.test("what is sealed can be opened with the same key only, by either cipher", () => {
  for (const cipher of ["AES", "CHACHA"]) {
    for (const length of [0, 1, 5000]) {
      const bytes = new Uint8Array(length).fill(7);
      const sealed = sealWith("key", cipher).seal(bytes);
      assert.deepEqual(new Uint8Array(sealWith("key", "", 2).open(sealed)), bytes);
      assert.throws(() => sealWith("another key").open(sealed));
      sealed[sealed.length - 1]! ^= 1;
      assert.throws(() => sealWith("key").open(sealed));
    }
  }
});

Deno.test("the same bytes are never sealed the same way twice", () => {
  const seal = sealWith("key");
  const seen = new Set(Array.from({ length: 1000 }, () => seal.seal(Uint8Array.of(1)).join()));
  assert.equal(seen.size, 1000);
  assert.notDeepEqual(sealWith("key", "", 2).seal(Uint8Array.of(1)), sealWith("key", "", 1).seal(Uint8Array.of(1)));
});

Deno.test("without a key, or with an unknown cipher, there is no seal", () => {
  assert.throws(() => sealWith(""), { message: "encryption key required" });
  assert.throws(() => sealWith("key", "ROT13"), { message: "encryption cipher not supported" });
});
