/** Partitioning in virtual time (spec clustering, section 10 and scenarios TS107, TS108, TS111, TS112, TS114; spec streaming, section 9.8). */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type MemoryBus, MemoryNet } from "../../tests/support/memory_bus.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { VirtualClock } from "../../tests/support/virtual_clock.ts";
import { CtrlMsg, CtrlType } from "../protocol/client_messages.ts";
import { Nuid } from "../protocol/nuid.ts";
import { decodeList, encodeLists, overlap, Partitions } from "./partitions.ts";

const encoder = new TextEncoder();
const subject = encoder.encode("_STAN.part.cid");

class World {
  readonly clock = new VirtualClock();
  readonly net = new MemoryNet(this.clock);
  readonly conflicts: string[] = [];
  readonly buses = new Map<string, MemoryBus>();
  /** What tells a server that NATS has grown. */
  readonly grown = new Map<string, () => void>();

  make(serverId: string, ...channels: string[]): Partitions {
    const bus = this.net.connect(serverId);
    this.buses.set(serverId, bus);
    Object.assign(bus, { onTopology: (listener: () => void) => this.grown.set(serverId, listener) });
    return new Partitions({
      clusterId: "cid",
      serverId,
      channels,
      bus,
      clock: this.clock,
      nuid: new Nuid(new SeededRandom(this.buses.size)),
      onConflict: (reason) => this.conflicts.push(`${serverId}: ${reason}`),
    });
  }

  /** Makes a server and answers with what its check at start came to: empty when it may serve. */
  async start(serverId: string, ...channels: string[]): Promise<string> {
    const partitions = this.make(serverId, ...channels);
    partitions.listen();
    const text = await this.outcome(partitions.check());
    if (text === "") partitions.watch();
    else partitions.stop();
    return text;
  }

  async outcome(check: Promise<void>): Promise<string> {
    let text: string | undefined;
    check.then(() => text = "", (error: Error) => text = error.message);
    await this.clock.until(() => text !== undefined, 10_000);
    return text!;
  }

  /** Asks by hand and answers with what comes back within a second. */
  async ask(payload: Uint8Array, withReply = true): Promise<Uint8Array[]> {
    const bus = this.net.connect("stranger");
    const answers: Uint8Array[] = [];
    bus.subscribe("answers", (message) => answers.push(message.buffer.slice(message.payloadStart, message.payloadEnd)));
    if (withReply) bus.publishRequest(subject, encoder.encode("answers"), payload);
    else bus.publish(subject, payload);
    await this.clock.advance(1_000);
    await bus.close();
    return answers;
  }
}

function request(serverId: string, ...names: string[]): Uint8Array {
  return CtrlMsg.encode({ type: CtrlType.partitioning, serverId, data: encodeLists(names, 10_000)[0]! });
}

Deno.test("TS107: without channels there is no partitioning", () => {
  assert.throws(() => new World().make("a"), { name: "StartFailed", message: "stan: no configured channel" });
});

Deno.test("alone the check takes the silence of one second", async () => {
  const world = new World();
  const begin = world.clock.now();
  assert.equal(await world.start("a", "foo"), "");
  assert.equal(world.clock.now() - begin, 1_000);
});

const conflicts: [theirs: string[], ours: string[], named: string][] = [
  [["foo"], ["foo"], "foo"],
  [["bar", "foo.bar"], ["baz", "foo.*"], "foo.*"],
  [["foo.>"], ["bar", "foo.bar.baz"], "foo.bar.baz"],
  [["foo.*"], ["foo.>"], "foo.>"],
  [["*.bar"], ["foo.*"], "foo.*"],
  [["*.bar.>"], ["foo.*.baz"], "foo.*.baz"],
];

for (const [theirs, ours, named] of conflicts) {
  Deno.test(`TS108: ${ours.join(" ")} is refused beside ${theirs.join(" ")}, which goes on`, async () => {
    const world = new World();
    assert.equal(await world.start("first", ...theirs), "");
    const text = await world.start("second", ...ours);
    assert.equal(text, `channel "${named}" causes conflict with channels on server "first"`);
    assert.deepEqual(world.conflicts, []);
    assert.equal(await world.start("third", "elsewhere"), "");
  });
}

Deno.test("disjoint sets live beside each other, and each knows its own", async () => {
  const world = new World();
  assert.equal(await world.start("a", "foo.*", "bar"), "");
  assert.equal(await world.start("b", "foo", "foo.bar.*", "baz.>"), "");
  const own = world.make("c", "foo.*", "baz.>");
  const asked = ["foo.x", "foo", "foo.x.y", "baz", "baz.x.y"];
  assert.deepEqual(asked.map((name) => own.owns(name)), [true, false, false, false, true]);
});

Deno.test("TS111: a list larger than the maximum payload is split and every name is seen", async () => {
  const world = new World();
  world.net.maxPayload = 1_024;
  const names = Array.from({ length: 200 }, (_, i) => `channel.${i}.${"x".repeat(i % 50)}`);
  assert.equal(await world.start("first", ...names), "");
  for (const name of [names[0]!, names[99]!, names[199]!]) {
    assert.match(await world.start("second", "other", name), /causes conflict with channels on server "first"$/);
  }
  const many = names.map((name) => `own.${name}`);
  const text = await world.start("third", ...many, names[120]!);
  assert.equal(text, `channel "${names[120]}" causes conflict with channels on server "first"`);
});

Deno.test("TS111: a single name larger than the maximum payload is refused", async () => {
  const world = new World();
  world.net.maxPayload = 1_024;
  assert.equal(await world.start("a", "x".repeat(1_000)), "message payload too small to send channels list");
});

Deno.test("TS112: servers that come within reach of each other compare again half a second later, and both report", async () => {
  const world = new World();
  world.net.partition(["a"], ["b"]);
  assert.equal(await world.start("a", "foo", "bar"), "");
  assert.equal(await world.start("b", "bar"), "");
  world.net.heal();
  for (const tell of world.grown.values()) tell();
  await world.clock.advance(499);
  assert.deepEqual(world.conflicts, []);
  await world.clock.advance(100);
  assert.deepEqual(world.conflicts.sort(), [
    'a: Partitioning error: channel "bar" causes conflict with channels on server "b"',
    'b: Partitioning error: channel "bar" causes conflict with channels on server "a"',
  ]);
});

Deno.test("TS112: without a conflict, or after the end, nothing is reported", async () => {
  const world = new World();
  assert.equal(await world.start("a", "foo"), "");
  assert.equal(await world.start("b", "bar"), "");
  for (const tell of world.grown.values()) tell();
  await world.clock.advance(5_000);
  const stopped = world.make("c", "foo");
  stopped.watch();
  world.grown.get("c")!();
  stopped.stop();
  await world.clock.advance(5_000);
  assert.deepEqual(world.conflicts, []);
});

Deno.test("TS114: requests that are malformed, empty, one's own or without reply are not answered", async () => {
  const world = new World();
  assert.equal(await world.start("a", "foo"), "");
  const type = CtrlType.partitioning;
  const silent = [
    new Uint8Array(0),
    Uint8Array.of(0x0a, 0xff),
    CtrlMsg.encode({ type, serverId: "x", data: new Uint8Array(0) }),
    CtrlMsg.encode({ type, serverId: "x", data: Uint8Array.of(9, 0, 0x66) }),
    CtrlMsg.encode({ type, serverId: "x", data: Uint8Array.of(3) }),
    CtrlMsg.encode({ type: CtrlType.faultToleranceHeartbeat, serverId: "x", data: encodeLists(["foo"], 99)[0]! }),
    request("", "foo"),
    request("a", "foo"),
  ];
  for (const payload of silent) assert.deepEqual(await world.ask(payload), []);
  assert.deepEqual(await world.ask(request("x", "foo"), false), []);
  const [answer] = await world.ask(request("x", "bar", "foo"));
  const { type: kind, serverId, data } = CtrlMsg.decode(answer!, 0, answer!.length);
  assert.deepEqual([kind, serverId, new TextDecoder().decode(data)], [type, "a", "foo"]);
  const [fine] = await world.ask(request("x", "bar"));
  assert.equal(CtrlMsg.decode(fine!, 0, fine!.length).data.length, 0);
});

Deno.test("TS114: any bytes at all are taken without harm", async () => {
  const world = new World();
  assert.equal(await world.start("a", "foo"), "");
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 40 }), async (bytes) => {
      const bus = world.net.connect("stranger");
      bus.publishRequest(subject, encoder.encode("nowhere"), bytes);
      bus.publishRequest(subject, encoder.encode("nowhere"), CtrlMsg.encode({ type: 4, serverId: "x", data: bytes }));
      await world.clock.settle();
      await bus.close();
    }),
    { numRuns: 200 },
  );
  assert.match(await world.start("b", "foo"), /causes conflict/);
});

const token = fc.constantFrom("a", "b", "*");
const pattern = fc.tuple(fc.array(token, { minLength: 1, maxLength: 3 }), fc.boolean())
  .map(([tokens, open]) => [...tokens, ...(open ? [">"] : [])].join("."));

/** All subjects of up to four tokens over two letters. */
function everySubject(): string[] {
  const all: string[] = [];
  for (let length = 1; length <= 4; length++) {
    for (let bits = 0; bits < 2 ** length; bits++) {
      all.push(Array.from({ length }, (_, i) => (bits >> i & 1) === 0 ? "a" : "b").join("."));
    }
  }
  return all;
}

Deno.test("patterns overlap exactly when some subject matches both", () => {
  const subjects = everySubject();
  const takes = (text: string, name: string) =>
    new RegExp(`^${text.replaceAll(".", "\\.").replaceAll("*", "[^.]+").replace(">", ".+")}$`).test(name);
  fc.assert(fc.property(pattern, pattern, (a, b) => {
    assert.equal(overlap(a, b), subjects.some((name) => takes(a, name) && takes(b, name)), `${a} ${b}`);
  }));
});

Deno.test("lists of names come back whole, each part within its size", () => {
  const names = fc.array(fc.string({ minLength: 1, maxLength: 30 }), { minLength: 1, maxLength: 50 });
  fc.assert(fc.property(names, fc.integer({ min: 200, max: 400 }), (list, sizeMax) => {
    const parts = encodeLists(list, sizeMax);
    assert.ok(parts.every((part) => part.length <= sizeMax));
    assert.deepEqual(parts.flatMap((part) => decodeList(part)!), list);
  }));
});
