/** Limits: what is refused, and who inherits what. Numbers in brackets are scenarios of spec stores, section 9. */
import assert from "node:assert/strict";
import { limitsWith } from "../../tests/support/store_messages.ts";
import { type ConfiguredLimits, formatDuration, resolveLimits, type StoreLimits } from "./limits.ts";

const SECOND = 1_000_000_000n;

Deno.test("[23] channels inherit from the closest pattern before them", () => {
  const channels = new Map<string, ConfiguredLimits>([
    ["b.b.>", { maxBytes: 33 }],
    ["a.x", { maxAge: 5n * SECOND }],
    [">", { maxMessages: 90 }],
    ["a.*", { maxSubscriptions: 7 }],
    ["a.b.c", { maxInactivity: -1n }],
    ["a.>", { maxBytes: 80 }],
    ["*.x", { maxMessages: 11 }],
    ["b.>", { maxMessages: -1 }],
    ["a.*.c", { maxAge: 60n * SECOND }],
  ]);
  const resolved = resolveLimits({
    maxChannels: 0,
    global: {
      maxMessages: 100,
      maxBytes: 200,
      maxAge: 300n * SECOND,
      maxSubscriptions: 400,
      maxInactivity: 500n * SECOND,
    },
    channels,
  });
  const shown = (name: string) => {
    const { maxMessages, maxBytes, maxAge, maxSubscriptions, maxInactivity } = resolved.entries.get(name)!;
    return [maxMessages, maxBytes, maxAge / SECOND, maxSubscriptions, maxInactivity / SECOND].join("/");
  };
  const expected = {
    ">": "90/200/300/400/500",
    "a.>": "90/80/300/400/500",
    "a.*": "90/80/300/7/500",
    "a.*.c": "90/80/60/400/500",
    "a.b.c": "90/80/60/400/0",
    "*.x": "11/200/300/400/500",
    "a.x": "90/80/5/7/500",
    "b.>": "0/200/300/400/500",
    "b.b.>": "0/33/300/400/500",
  };
  assert.deepEqual(Object.fromEntries([...channels.keys()].map((name) => [name, shown(name)])), expected);
  for (
    const [channel, entry] of [["a.y", "a.*"], ["a.q.c", "a.*.c"], ["c.x", "*.x"], ["b.q", "b.>"], ["z", ">"], [
      "a.x",
      "a.x",
    ]] as const
  ) {
    assert.equal(resolved.of(channel), resolved.entries.get(entry), channel);
  }
});

Deno.test("a channel that nothing covers has the global limits", () => {
  const limits = limitsWith({ maxMessages: 3 }, 0, new Map([["a.*", { maxMessages: 1 }]]));
  const resolved = resolveLimits(limits);
  for (const name of ["a", "b.c", "a.b.c"]) assert.equal(resolved.of(name), limits.global);
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

Deno.test("durations are printed as Go prints them", () => {
  const shown = [0n, 1n, 1500n, 1_500_000n, SECOND, 90n * SECOND, 3600n * SECOND, 5_430_500_000_000n, -SECOND].map(
    formatDuration,
  );
  assert.deepEqual(shown, ["0s", "1ns", "1.5µs", "1.5ms", "1s", "1m30s", "1h0m0s", "1h30m30.5s", "-1s"]);
});
