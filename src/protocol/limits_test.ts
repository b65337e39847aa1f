import assert from "node:assert/strict";
import { type ConfiguredLimits, goDuration, limitsOf, limitsProblem, resolveLimits } from "./limits.ts";

const SECOND = 1_000_000_000n;
const GLOBAL: ConfiguredLimits = {
  maxChannels: 100,
  maxSubscriptions: 400,
  maxMessages: 100,
  maxBytes: 200,
  maxAge: 300n * SECOND,
  maxInactivity: 500n * SECOND,
  channels: new Map([
    ["a.b.c", { maxInactivity: -1n }],
    ["*.x", { maxMessages: 11 }],
    [">", { maxMessages: 90 }],
    ["a.>", { maxBytes: 80 }],
    ["a.*", { maxSubscriptions: 7 }],
    ["b.b.>", { maxBytes: 33 }],
    ["a.*.c", { maxAge: 60n * SECOND }],
    ["a.x", { maxAge: 5n * SECOND }],
    ["b.>", { maxMessages: -1 }],
  ]),
};

Deno.test("limits are inherited as spec stores, section 2.3, has it", () => {
  const rows: [string, number, number, number, number, number][] = [
    [">", 90, 200, 300, 400, 500],
    ["a.>", 90, 80, 300, 400, 500],
    ["a.*", 90, 80, 300, 7, 500],
    ["a.*.c", 90, 80, 60, 400, 500],
    ["a.b.c", 90, 80, 60, 400, 0],
    ["*.x", 11, 200, 300, 400, 500],
    ["a.x", 90, 80, 5, 7, 500],
    ["b.>", 0, 200, 300, 400, 500],
    ["b.b.>", 0, 33, 300, 400, 500],
  ];
  const resolved = resolveLimits(GLOBAL);
  assert.equal(resolved.channels[0]!.pattern, ">");
  assert.equal(resolved.channels.length, rows.length);
  for (const [pattern, messages, bytes, age, subscriptions, inactivity] of rows) {
    const found = resolved.channels.find((each) => each.pattern === pattern)!;
    assert.deepEqual(
      [found.maxMessages, found.maxBytes, found.maxAge / SECOND, found.maxSubscriptions, found.maxInactivity / SECOND],
      [messages, bytes, BigInt(age), subscriptions, BigInt(inactivity)],
      pattern,
    );
  }
});

Deno.test("a channel has the limits of the narrowest pattern that matches", () => {
  const resolved = resolveLimits(GLOBAL);
  const rows: [string, string][] = [
    ["a.y", "a.*"],
    ["a.q.c", "a.*.c"],
    ["c.x", "*.x"],
    ["b.q", "b.>"],
    ["z", ">"],
    ["a.b.c", "a.b.c"],
    ["a.b.d", "a.>"],
    ["b.b.b", "b.b.>"],
  ];
  for (const [name, pattern] of rows) {
    assert.equal(limitsOf(name, resolved), resolved.channels.find((each) => each.pattern === pattern), name);
  }
});

Deno.test("scenario 99: per-channel limits inherit what they leave out; -1 is unlimited", () => {
  const resolved = resolveLimits({
    ...GLOBAL,
    maxMessages: 10,
    channels: new Map([["foo", { maxMessages: 2, maxSubscriptions: 1 }], ["bar", { maxMessages: -1 }]]),
  });
  assert.equal(limitsOf("foo", resolved).maxMessages, 2);
  assert.equal(limitsOf("foo", resolved).maxSubscriptions, 1);
  assert.equal(limitsOf("foo", resolved).maxBytes, 200);
  assert.equal(limitsOf("bar", resolved).maxMessages, 0);
  assert.equal(limitsOf("baz", resolved).maxMessages, 10);
});

Deno.test("limitsProblem names what is wrong in the reference's words", () => {
  const good: ConfiguredLimits = { ...GLOBAL, channels: new Map() };
  assert.equal(limitsProblem(good), undefined);
  assert.equal(limitsProblem({ ...good, maxChannels: -1 }), "max channels limit cannot be negative (-1)");
  assert.equal(limitsProblem({ ...good, maxSubscriptions: -2 }), "max subscriptions limit cannot be negative (-2)");
  assert.equal(limitsProblem({ ...good, maxMessages: -3 }), "max messages limit cannot be negative (-3)");
  assert.equal(limitsProblem({ ...good, maxBytes: -4 }), "max bytes limit cannot be negative (-4)");
  assert.equal(limitsProblem({ ...good, maxAge: -SECOND }), "max age limit cannot be negative (-1s)");
  assert.equal(
    limitsProblem({ ...good, maxInactivity: -90n * SECOND }),
    "max inactivity limit cannot be negative (-1m30s)",
  );
  assert.equal(limitsProblem({ ...good, channels: new Map([["a..b", {}]]) }), 'invalid channel name "a..b"');
  assert.equal(
    limitsProblem({ ...good, maxChannels: 1, channels: new Map([["a", {}], ["b", {}], ["c.*", {}]]) }),
    "too many channels defined (2). The max channels limit is set to 1",
  );
});

Deno.test("goDuration prints as Go does", () => {
  const rows: [bigint, string][] = [
    [0n, "0s"],
    [999n, "999ns"],
    [1_500n, "1.5µs"],
    [-15_000_000n, "-15ms"],
    [1_500_000_000n, "1.5s"],
    [3_600n * SECOND, "1h0m0s"],
    [3_725n * SECOND, "1h2m5s"],
  ];
  for (const [nanos, text] of rows) assert.equal(goDuration(nanos), text);
});
