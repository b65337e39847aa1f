/** Damaged and lost message files of a node whose cluster holds the same: set aside, said, and got again (P8). */
import assert from "node:assert/strict";
import { DEFAULT_LIMITS } from "../../../src/streaming/mod.ts";
import type { MemoryFiles } from "../../support/memory_files.ts";
import { Harness, stored } from "./harness.ts";
import type { SimulatedNode } from "./simulated_node.ts";

const FOO = "/store/foo";

function test(name: string, run: (world: Harness) => Promise<void>, maxMessages = 0): void {
  Deno.test(name, async () => {
    const limits = { maxChannels: 0, channels: [{ ...DEFAULT_LIMITS.channels[0]!, maxMessages }] };
    const world = await Harness.start({ limits }, 1, { store: { sliceMaxMessages: 20 } });
    try {
      await world.connect("me");
      await run(world);
    } finally {
      world.stop();
    }
  });
}

async function publish(world: Harness, count: number, channel = "foo"): Promise<void> {
  for (let i = 0; i < count; i++) assert.equal(await world.publish("me", channel, `message ${i}`), "");
}

/** Stops a node in order, so that its files end where its messages do, changes its disk, and starts it again. */
async function restartWith(
  world: Harness,
  node: SimulatedNode,
  change: (files: MemoryFiles) => void,
): Promise<SimulatedNode> {
  let isStopped = false;
  void node.server!.stop().then(() => isStopped = true);
  await world.clock.until(() => isStopped, 10_000, "the stop");
  node.kill();
  const files = node.files.afterKill();
  change(files);
  return world.begin(node.name, files);
}

function tells(node: SimulatedNode, text: RegExp): void {
  assert.match(node.log.lines.join("\n"), text);
}

function sequencesOf(node: SimulatedNode): number[] {
  return stored(node).map((line) => parseInt(line));
}

/** Damages the last message of a slice: that one is looked at by every start. */
function spoil(files: MemoryFiles, slice: number): void {
  const path = `${FOO}/msgs.${slice}.dat`;
  const file = files.open(path, { mode: "existing" });
  file.writeAt(Uint8Array.of(0x55), file.size() - 12);
  file.close();
}

function remove(files: MemoryFiles, slice: number): void {
  for (const end of ["dat", "idx"]) files.remove(`${FOO}/msgs.${slice}.${end}`);
}

const DAMAGES: [what: string, damage: (files: MemoryFiles) => void, says: RegExp, kept: RegExp][] = [
  [
    "the last message of the first slice is damaged",
    (files) => spoil(files, 1),
    /disagreed: channel "foo": unable to recover message store for \[foo\]\(file: "foo\/msgs\.1\.idx"\): corrupted data, expected crc .* \(file "\/store\/foo\/msgs\.1\.dat", offset \d+\)/,
    /done: nothing of channel "foo" could be kept, the rest was set aside in \/store\/foo\/damaged/,
  ],
  [
    "a slice in the middle is damaged",
    (files) => spoil(files, 4),
    /disagreed: channel "foo": unable to recover message store .*corrupted data.* \(file "\/store\/foo\/msgs\.4\.dat", offset \d+\)/,
    /done: messages 1 to 60 of channel "foo" could be kept/,
  ],
  [
    "a file is empty",
    (files) => files.open(`${FOO}/msgs.2.dat`, { mode: "empty" }).close(),
    /disagreed: channel "foo": unable to recover message store .*unable to verify file version: EOF/,
    /done: messages 1 to 20 of channel "foo" could be kept/,
  ],
  [
    "a file has a name that none has",
    (files) => files.open(`${FOO}/msgs.x.dat`, { mode: "empty" }).close(),
    /disagreed: channel "foo": unable to recover .*message log has an invalid name: msgs\.x\.dat/,
    /done: messages 1 to 150 of channel "foo" could be kept/,
  ],
  [
    "the first two slices are lost",
    (files) => [1, 2].forEach((slice) => remove(files, slice)),
    /disagreed: channel "foo": messages 1 to 40 are missing before file "\/store\/foo\/msgs\.3\.dat"/,
    /done: nothing of channel "foo" could be kept/,
  ],
  [
    "a slice in the middle is lost",
    (files) => remove(files, 3),
    /disagreed: channel "foo": messages 41 to 60 are missing in \/store\/foo/,
    /done: messages 1 to 40 of channel "foo" could be kept/,
  ],
  [
    "the file of subscriptions is damaged, which nothing is kept in",
    (files) => files.open(`${FOO}/subs.dat`, { mode: "empty" }).close(),
    /disagreed: unable to recover subscription store for \[foo\]: unable to verify file version: EOF/,
    /done: file "\/store\/foo\/subs\.dat" was made anew/,
  ],
  [
    "the file of clients is damaged, which nothing is kept in",
    (files) => files.open("/store/clients.dat", { mode: "empty" }).close(),
    /disagreed: unable to recover client file .*unable to verify file version: EOF/,
    /done: file "\/store\/clients\.dat" was made anew/,
  ],
];

for (const [what, damage, says, kept] of DAMAGES) {
  test(`P8: ${what}: the node says so and has everything again before it may lead`, async (world) => {
    await publish(world, 150);
    await publish(world, 5, "bar");
    await world.pass(500);
    const [one, other] = world.followers;
    const back = await restartWith(world, one!, damage);
    // Nothing is in the way of an election, and it is not elected before it is whole.
    other!.kill();
    (await world.leader()).kill();
    world.restart(other!);
    await world.leader();
    await world.clock.until(() => stored(back).length === 150, 20_000, "the messages");
    tells(back, says);
    tells(back, kept);
    await publish(world, 1);
    assert.equal((await world.agreed(stored)).length, 151);
    assert.equal((await world.agreed((node) => stored(node, "bar"))).length, 5);
    await world.agreed((node) => node.server!.machine.state.digest);
    // And it stays so.
    world.restart(back);
    assert.equal((await world.agreed(stored)).length, 151);
  });
}

test("P8: what the log still holds needs no other node", async (world) => {
  await publish(world, 30);
  await world.pass(500);
  const back = await restartWith(world, world.followers[0]!, (files) => spoil(files, 1));
  assert.equal((await world.agreed(stored)).length, 30);
  tells(back, /done: nothing of channel "foo" could be kept/);
  assert.doesNotMatch(back.log.lines.join("\n"), /is fetched from other nodes/);
});

test("P8: what limits evicted is not taken for lost", async (world) => {
  await publish(world, 150);
  await world.pass(500);
  for (const node of world.followers) {
    const back = await restartWith(world, node, (files) => assert.ok(!files.exists(`${FOO}/msgs.1.dat`)));
    assert.equal((await world.agreed(stored)).length, 30);
    tells(back, /disagreed: nothing/);
  }
}, 30);

test("P8: the beginning is lost where limits had evicted some: the rest is got again, and no more", async (world) => {
  await publish(world, 150);
  await world.pass(500);
  const back = await restartWith(world, world.followers[0]!, (files) => {
    const slices = files.list(FOO).flatMap(({ name }) => /^msgs\.(\d+)\.dat$/.exec(name)?.[1] ?? []).map(Number);
    remove(files, Math.min(...slices));
  });
  assert.equal((await world.agreed(stored)).length, 30);
  tells(back, /disagreed: channel "foo": messages 121 to \d+ are missing before file/);
}, 30);

test("TS67: damage on a majority: everybody starts, and gets all from the one that has it", async (world) => {
  await publish(world, 150);
  await world.pass(500);
  const left = [...world.nodes.values()].map((node) => [node.name, node.files.afterKill()] as const);
  for (const node of world.nodes.values()) node.kill();
  for (const [name, files] of left) {
    if (name !== "a") spoil(files, 2);
    world.begin(name, files);
  }
  await world.leader();
  assert.equal((await world.agreed(stored)).length, 150);
});

Deno.test("a cluster of one node refuses a damaged channel with the store's own text, and leaves it as it is", async () => {
  const world = await Harness.start({}, 1, { store: { sliceMaxMessages: 20 }, raft: { bootstrap: true } }, ["a"]);
  try {
    await world.connect("me");
    await publish(world, 50);
    await world.pass(500);
    const node = await world.leader();
    const back = await restartWith(world, node, (files) => spoil(files, 2));
    await world.clock.until(() => !back.alive, 5_000, "a refusal");
    assert.match(
      back.fatal!,
      /^unable to recover message store for \[foo\]\(file: "foo\/msgs\.2\.idx"\): corrupted data, expected crc/,
    );
    assert.ok(!back.files.exists(`${FOO}/damaged`) && back.files.exists(`${FOO}/msgs.2.dat`));
    tells(back, /done: nothing more, this node does not start/);
    // What is lost without a trace of damage is no reason not to start, as without a cluster.
    const files = node.files.afterKill();
    const whole = files.list(FOO).map(({ name }) => name);
    assert.ok(whole.includes("msgs.3.dat"));
    const again = world.begin("a", withoutSlice(files, 1));
    await world.leader();
    assert.equal(stored(again).length, 30);
    tells(again, /disagreed: channel "foo": messages 1 to 20 are missing/);
    tells(again, /done: that is left as it is: no other node holds more/);
  } finally {
    world.stop();
  }
});

function withoutSlice(files: MemoryFiles, slice: number): MemoryFiles {
  remove(files, slice);
  return files;
}

test("P8: a node that repairs its store may be killed at any step: the next start goes on", async (world) => {
  await publish(world, 90);
  await world.pass(500);
  const { name } = world.followers[0]!;
  for (let moment = 0; moment < 40; moment++) {
    const back = await restartWith(world, world.nodes.get(name)!, (files) => {
      spoil(files, 2);
      let calls = 0;
      files.onCall = ({ path }) => path.startsWith(FOO) && calls++ >= 2 * moment ? { code: "other" } : undefined;
    });
    await world.pass(600);
    if (back.alive) back.kill();
    const survives = moment % 3;
    world.begin(name, survives === 2 ? back.files.afterKill() : back.files.afterCrash(() => survives));
    assert.equal((await world.agreed(stored)).length, 90, `killed at step ${2 * moment}`);
  }
});

test("TS67: all lost the end of a channel, and their logs hold only a part of it: what is before stays, and what comes next", async (world) => {
  await publish(world, 150);
  await world.agreed(stored);
  await world.pass(500);
  const left = [...world.nodes.values()].map((node) => [node.name, node.files.afterKill()] as const);
  for (const node of world.nodes.values()) node.kill();
  for (const [name, files] of left) {
    [6, 7, 8].forEach((slice) => remove(files, slice));
    world.begin(name, files);
  }
  await world.leader();
  await publish(world, 3);
  await world.agreed((node) => stored(node).at(-1));
  // How much of the end each finds in its log depends on its last snapshot.
  for (const node of world.nodes.values()) {
    const sequences = sequencesOf(node);
    const lost = Array.from({ length: 153 }, (_, i) => i + 1).filter((sequence) => !sequences.includes(sequence));
    assert.equal(lost[0], 101);
    assert.ok(lost.length < 50 && lost.at(-1) === 100 + lost.length, `${lost}`);
    tells(node, new RegExp(`disagreed: channel "foo": no node holds messages 101 to ${lost.at(-1)} any more`));
  }
  const held = sequencesOf(await world.leader());
  const subscription = await world.subscribe("me", "foo");
  const received = await world.received(subscription, held.length);
  assert.deepEqual(received.map(({ sequence }) => sequence), held);
  // That is no damage at the next start.
  const before = [...world.nodes.values()].map(sequencesOf);
  await world.restartAll();
  await world.agreed((node) => stored(node).at(-1));
  assert.deepEqual([...world.nodes.values()].map(sequencesOf), before);
  for (const node of world.nodes.values()) assert.doesNotMatch(node.log.lines.join("\n"), /disagreed: (?!nothing)/);
});
