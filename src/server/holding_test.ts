/** Publish requests that are held back until somebody leads (spec clustering, section 5.6), in virtual time. */
import assert from "node:assert/strict";
import { MemoryNet } from "../../tests/support/memory_bus.ts";
import { VirtualClock } from "../../tests/support/virtual_clock.ts";
import type { Inbound } from "../ports/message_bus.ts";
import { serverInfo } from "../protocol/subjects.ts";
import type { KnownPublishes } from "../streaming/mod.ts";
import { Holding } from "./holding.ts";

const encoder = new TextEncoder();

class World {
  readonly clock = new VirtualClock();
  readonly net = new MemoryNet(this.clock);
  readonly client = this.net.connect("client");
  /** What publishing was told, as `late payload reply`. */
  readonly told: string[] = [];
  /** What the machine remembers of publishes that were applied. */
  known: KnownPublishes = { keys: { has: () => false }, since: -Infinity, until: Infinity };
  /** When publishing has answered what it was told. */
  readonly answered = Promise.resolve();
  readonly holding: Holding;

  constructor() {
    this.holding = new Holding({
      bus: this.net.connect("node"),
      clock: this.clock,
      publishing: {
        handle: (message: Inbound) => this.#note("now", message),
        handleLate: (message: Inbound, known: KnownPublishes) => {
          assert.equal(known, this.known);
          this.#note("late", message);
        },
        expectAgain: () => {},
        flush: () => {
          this.told.push("flush");
          return this.answered;
        },
      },
      machine: { knownPublishes: () => this.known },
    } as never);
    this.holding.listen(serverInfo("cid", "_STAN.discover", ""));
  }

  async publish(text: string, reply = "r"): Promise<void> {
    const subject = encoder.encode("_STAN.pub.cid.foo");
    if (reply === "") this.client.publish(subject, encoder.encode(text));
    else this.client.publishRequest(subject, encoder.encode(reply), encoder.encode(text));
    await this.clock.settle();
  }

  /** What leading brings, without what was told before. */
  lead(): string[] {
    this.told.length = 0;
    this.holding.lead();
    return this.told;
  }

  #note(when: string, { buffer, payloadStart, payloadEnd, replyStart, replyEnd }: Inbound): void {
    const text = (start: number, end: number) => new TextDecoder().decode(buffer.subarray(start, end));
    this.told.push(`${when} ${text(payloadStart, payloadEnd)} ${text(replyStart, replyEnd)}`);
  }
}

Deno.test("who leads takes requests in at once; who does not keeps them for when it does, in order", async () => {
  const world = new World();
  await world.publish("one");
  await world.publish("two", "other");
  assert.deepEqual(world.told, []);
  assert.deepEqual(world.lead(), ["late one r", "late two other", "flush"]);
  await world.publish("three");
  assert.equal(world.told.at(-1), "now three r");
  world.holding.follow();
  await world.publish("four");
  assert.deepEqual(world.lead(), ["late four r", "flush"]);
});

Deno.test("who begins to lead is told when what was held back is answered", async () => {
  const world = new World();
  assert.equal(world.holding.lead(), undefined);
  world.holding.follow();
  await world.publish("one");
  assert.equal(world.holding.lead(), world.answered);
});

Deno.test("nothing is taken in twice", async () => {
  const world = new World();
  await world.publish("one");
  world.lead();
  world.holding.follow();
  assert.deepEqual(world.lead(), []);
});

Deno.test("requests that nobody waits for any more, or that have no reply, are not taken in", async () => {
  const world = new World();
  await world.publish("old");
  await world.publish("silent", "");
  await world.clock.advance(5_001);
  await world.publish("young");
  assert.deepEqual(world.lead(), ["late young r", "flush"]);
});

Deno.test("what may have been applied before anything is known of it is not taken in", async () => {
  const world = new World();
  await world.publish("uncertain");
  await world.clock.advance(1_500);
  world.known = { ...world.known, since: world.clock.now() - 1_000 };
  await world.publish("certain");
  assert.deepEqual(world.lead(), ["late certain r", "flush"]);
});

Deno.test("after the state was replaced by a recent one, what arrived before and just after is forgotten", async () => {
  const world = new World();
  await world.publish("before");
  world.holding.replaced(0);
  await world.publish("just after");
  await world.clock.advance(1_001);
  await world.publish("later");
  assert.deepEqual(world.lead(), ["late later r", "flush"]);
});

Deno.test("after the state was replaced by an older one, only what that may hold is forgotten", async () => {
  const world = new World();
  await world.publish("may be in it");
  await world.clock.advance(500);
  world.holding.replaced(2_000);
  await world.publish("after it");
  assert.deepEqual(world.lead(), ["late may be in it r", "late after it r", "flush"]);
});

Deno.test("after the state was replaced by one with a message of the future, a second is forgotten as if it were of now", async () => {
  const world = new World();
  await world.publish("in it");
  world.holding.replaced(-50);
  await world.clock.advance(900);
  await world.publish("perhaps");
  await world.clock.advance(101);
  await world.publish("later");
  assert.deepEqual(world.lead(), ["late later r", "flush"]);
});

Deno.test("large requests and many of them come back whole", async () => {
  const world = new World();
  const texts = Array.from({ length: 300 }, (_, i) => `${i}`.padEnd(i * 10, "."));
  texts.push("x".repeat(200_000));
  for (const text of texts) await world.publish(text);
  assert.deepEqual(world.lead(), [...texts.map((text) => `late ${text} r`), "flush"]);
});

Deno.test("only so much is held: the oldest goes first", async () => {
  const world = new World();
  const large = "x".repeat(1_000_000);
  for (let i = 0; i < 100; i++) await world.publish(`${i} ${large}`);
  const taken = world.lead().filter((each) => each.startsWith("late")).map((each) => Number(each.split(" ")[1]));
  assert.ok(taken.length >= 60 && taken.length <= 70, `${taken.length} of 1 MB in 64 MB`);
  assert.equal(taken.at(-1), 99);
  assert.equal(taken[0], 100 - taken.length);
});

Deno.test("stopped, it hears nothing", async () => {
  const world = new World();
  await world.publish("one");
  world.holding.stop();
  await world.publish("two");
  assert.deepEqual(world.lead(), []);
});
