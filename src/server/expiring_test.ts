/** Expiry by age in virtual time (spec clustering, rule D3). */
import assert from "node:assert/strict";
import { RecordingLog } from "../../tests/support/recording_log.ts";
import { VirtualClock } from "../../tests/support/virtual_clock.ts";
import { NotAgreed } from "../ports/journal.ts";
import type { Operation } from "../protocol/operations.ts";
import { Expiring } from "./expiring.ts";

const SECOND = 1_000_000_000n;

/** The times of a channel's messages, the first under sequence 1. */
class Channel {
  first = 1;
  readonly times: bigint[] = [];
  readonly incarnation = 7;

  constructor(readonly name: string, readonly limits: { maxAge: bigint }) {}

  get count(): number {
    return this.times.length - this.first + 1;
  }

  sequenceAt(timestamp: bigint): number {
    for (let sequence = this.first; sequence <= this.times.length; sequence++) {
      if (this.times[sequence - 1]! >= timestamp) return sequence;
    }
    return this.times.length + 1;
  }
}

class World {
  readonly clock = new VirtualClock();
  readonly channels = new Map<string, Channel>();
  readonly proposed: string[] = [];
  readonly log = new RecordingLog();
  mayServe = true;
  clocksAgree = true;
  failure: Error | undefined;
  readonly expiring = new Expiring({
    machine: { state: { channels: this.channels } },
    recorder: {
      channels: {
        get: (name: string) => this.channels.has(name) ? { messages: this.channels.get(name) } : undefined,
      },
    },
    journal: this.#journal(),
    clock: this.clock,
    log: this.log,
  } as never);

  channel(name: string, maxAge: bigint): Channel {
    const channel = new Channel(name, { maxAge });
    this.channels.set(name, channel);
    return channel;
  }

  #journal() {
    // deno-lint-ignore no-this-alias
    const world = this;
    return {
      get mayServe() {
        return world.mayServe;
      },
      get clocksAgree() {
        return world.clocksAgree;
      },
      commit(operations: readonly Operation[]) {
        if (world.failure !== undefined) throw world.failure;
        for (const operation of operations) {
          assert.ok(operation.kind === "expire");
          const { channel, incarnation, first } = operation;
          world.proposed.push(`${channel}/${incarnation} before ${first} at ${world.clock.now()}`);
          world.channels.get(channel)!.first = first;
        }
        return operations.map(() => ({ kind: "done" }));
      },
    };
  }
}

Deno.test("once a second, what is older than its channel's age is proposed to be forgotten", async () => {
  const world = new World();
  const start = world.clock.wall();
  const foo = world.channel("foo", 5n * SECOND);
  for (let i = 0n; i < 4n; i++) foo.times.push(start + i * SECOND);
  world.channel("bar", 0n).times.push(start);
  world.channel("empty", SECOND);
  world.expiring.start();
  const begin = world.clock.now();
  await world.clock.advance(4_999);
  assert.deepEqual(world.proposed, []);
  await world.clock.advance(10_000);
  assert.deepEqual(
    world.proposed,
    [2, 3, 4, 5].map((first) => `foo/7 before ${first} at ${begin + 3_000 + first * 1_000}`),
  );
  assert.equal(world.channels.get("bar")!.first, 1);
});

Deno.test("messages that expire together are one proposal", async () => {
  const world = new World();
  const foo = world.channel("foo", 2n * SECOND);
  for (let i = 0; i < 100; i++) foo.times.push(world.clock.wall());
  world.expiring.start();
  await world.clock.advance(3_000);
  assert.equal(world.proposed.length, 1);
  assert.equal(foo.count, 0);
});

Deno.test("without a lease nothing is proposed; with it again it goes on, until it is stopped", async () => {
  const world = new World();
  world.channel("foo", SECOND).times.push(world.clock.wall());
  world.mayServe = false;
  world.expiring.start();
  await world.clock.advance(5_000);
  assert.deepEqual(world.proposed, []);
  world.mayServe = true;
  await world.clock.advance(1_000);
  assert.equal(world.proposed.length, 1);
  world.expiring.stop();
  assert.equal(world.clock.nextAt, undefined);
});

Deno.test("T4: a leader whose clock most others do not agree with lets nothing expire", async () => {
  const world = new World();
  world.channel("foo", SECOND).times.push(world.clock.wall());
  world.clocksAgree = false;
  world.expiring.start();
  world.clock.shiftWall(7_200n * SECOND);
  await world.clock.advance(5_000);
  assert.deepEqual(world.proposed, []);
  world.clocksAgree = true;
  await world.clock.advance(1_000);
  assert.equal(world.proposed.length, 1);
});

Deno.test("what is not agreed upon is proposed again a second later", async () => {
  const world = new World();
  world.channel("foo", SECOND).times.push(world.clock.wall());
  world.failure = new NotAgreed("unknown", "no quorum");
  world.expiring.start();
  await world.clock.advance(2_000);
  assert.deepEqual(world.proposed, []);
  assert.ok(world.log.lines.includes("DBG Expiry is put off: no quorum"));
  world.failure = undefined;
  await world.clock.advance(1_000);
  assert.equal(world.proposed.length, 1);
});
