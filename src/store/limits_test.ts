/** Limits: what is refused, and who inherits what. Numbers in brackets are scenarios of spec stores, section 9. */
import assert from "node:assert/strict";
import { limitsWith } from "../../tests/support/store_messages.ts";
import { resolveLimits, type StoreLimits } from "./limits.ts";

const SECOND = 1_000_000_000n;

Deno.test("a channel that nothing covers has the global limits", () => {
  const limits = limitsWith({ maxMessages: 3 }, 0, new Map([["a.*", { maxMessages: 1 }]]));
  const resolved = resolveLimits(limits);
  for (const name of ["a", "b.c", "a.b.c"]) assert.equal(resolved.of(name).maxMessages, 3);
  assert.equal(resolved.of("a.b").maxMessages, 1);
});

Deno.test("[24] limits that cannot be meant are refused", () => {
  const refused = (limits: StoreLimits, message: string) =>
    assert.throws(() => resolveLimits(limits), { code: "refused", message });
  refused(limitsWith({}, -1), "max channels limit cannot be negative (-1)");
  refused(limitsWith({ maxSubscriptions: -2 }), "max subscriptions limit cannot be negative (-2)");
  refused(limitsWith({ maxMessages: -3 }), "max messages limit cannot be negative (-3)");
  refused(limitsWith({ maxBytes: -4 }), "max bytes limit cannot be negative (-4)");
  refused(limitsWith({ maxAge: -5n * SECOND }), "max age limit cannot be negative (-5s)");
  refused(limitsWith({ maxInactivity: -90n * SECOND }), "max inactivity limit cannot be negative (-1m30s)");
  for (const name of ["", "a/b", ".a", "a.", "a..b", "a*", "a.b>", ">.a", "a.>.b"]) {
    refused(limitsWith({}, 0, new Map([[name, {}]])), `invalid channel name "${name}"`);
  }
  refused(
    limitsWith({}, 2, new Map([["a", {}], ["b.*", {}], ["b", {}], ["c", {}]])),
    "too many channels defined (3). The max channels limit is set to 2",
  );
});
