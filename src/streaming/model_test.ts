import assert from "node:assert/strict";
import fc from "fast-check";
import { StartPosition } from "../protocol/client_messages.ts";
import type { DeliveryFact, Operation } from "../protocol/operations.ts";
import { type Expectation, Ledger, startAfter } from "../../tests/support/machine_ledger.ts";
import { MachineDriver, type Wish } from "../../tests/support/machine_driver.ts";
import { VirtualClock } from "../../tests/support/virtual_clock.ts";
import { Reports } from "../raft/reports.ts";
import { decodeSnapshot, type SnapshotWriting } from "./snapshot.ts";
import type { Subscription } from "./state.ts";

const SETTINGS = { heartbeatInterval: 1_000, heartbeatTimeout: 100, heartbeatFailCount: 1_000_000 };
const CLIENTS = ["a", "b", "c"];
const POSITIONS = [
  StartPosition.newOnly,
  StartPosition.lastReceived,
  StartPosition.sequence,
  StartPosition.first,
];

/** What reaches a follower, in order. */
type Entry = { readonly operation: Operation; readonly index: number } | { readonly fact: DeliveryFact };

/** A driver, its follower where there is one, and what its subscribers may expect. */
class World {
  readonly driver: MachineDriver;
  readonly ledger = new Ledger();
  /** Clients that do not answer heartbeats. */
  readonly deaf = new Set<string>();
  follower: MachineDriver | undefined;
  readonly log: Entry[] = [];
  /** Whether the next operation reaches followers before what was done before it. */
  overtakes = false;
  readonly #reports = new Reports(
    new VirtualClock(),
    (facts) => this.log.push(...facts.map((fact) => ({ fact }))) >= 0,
  );

  constructor(clustered: boolean) {
    this.driver = new MachineDriver({ ...SETTINGS, flagUncertain: clustered });
    if (clustered) this.#replicate();
    for (const client of CLIENTS) this.driver.connect(client);
    this.driver.publish(3);
    this.settle();
  }

  /** Ends the snapshot that is being written: it must be the state as it was when it began. Begins another one. */
  snapshot(): void {
    this.#endSnapshot();
    for (const driver of [this.driver, this.follower]) {
      if (driver === undefined) continue;
      const { machine } = driver;
      this.#written.push({ at: machine.snapshot(), writing: machine.beginSnapshot(0) });
    }
  }

  #endSnapshot(): void {
    for (const { at, writing } of this.#written.splice(0)) {
      while (writing.step());
      assert.deepEqual(writing.finish(), at);
    }
  }

  readonly #written: { readonly at: Uint8Array; readonly writing: SnapshotWriting }[] = [];

  get online(): Subscription[] {
    return [...this.driver.channel().byAckInbox.values()];
  }

  pick(i: number): Subscription | undefined {
    const { online } = this;
    return online[i % Math.max(1, online.length)];
  }

  /** Answers heartbeats, lets the rounds run and holds the outcome against the ledger. */
  settle(): void {
    for (const client of this.driver.heartbeats.splice(0)) this.driver.heartbeat(client, !this.deaf.has(client));
    this.driver.settle();
    this.ledger.check(this.driver);
    this.#takeFacts();
  }

  /** A group or durable that is known already keeps its expectation; others get one from their start. */
  subscribe(wish: Required<Pick<Wish, "client" | "group" | "durable" | "position" | "sequence">> & Wish): void {
    const { driver } = this;
    const stored = driver.channels.get("foo")!;
    const name = this.nameOf(wish);
    const known = this.#known(wish);
    const start = startAfter(wish.position, wish.sequence, stored.first, stored.times.length);
    const expected: Expectation = known ??
      {
        name,
        isGroup: wish.group !== "",
        startAfter: start,
        seen: new Set(),
        acked: new Set(),
        forgiven: new Set(),
        highest: 0,
      };
    const operation = driver.admit(wish);
    if (typeof operation === "string") return;
    this.ledger.attach(operation.inbox, expected);
    const outcome = driver.applyOnly(operation);
    assert.equal(outcome.kind, "subscribed");
    const subscription = [...driver.channel().byAckInbox.values()].find((each) =>
      each.ackInbox === operation.ackInbox
    )!;
    if (wish.start !== false) driver.machine.started(subscription, driver.now);
    this.settle();
  }

  nameOf({ client, group, durable }: Wish): string {
    if (group !== "") return durable === "" ? group! : `${durable}:${group}`;
    return durable === "" ? "plain" : `${client}-${durable}`;
  }

  /** The expectation of the group or durable that this wish joins or resumes. */
  #known(wish: Wish): Expectation | undefined {
    const channel = this.driver.channel();
    const name = this.nameOf(wish);
    const existing = wish.group !== ""
      ? channel.groups.get(name)?.members[0] ?? channel.groups.get(name)?.placeholder
      : channel.durables.get(`${wish.client}-foo-${wish.durable}`);
    return existing === undefined ? undefined : this.ledger.of(existing.inbox);
  }

  acknowledge(subscription: Subscription, sequence: number): void {
    const expected = this.ledger.of(subscription.inbox)!;
    const holder = subscription.group?.members.find((each) => each.pending.has(sequence)) ?? subscription;
    if (!holder.pending.has(sequence) || !expected.seen.has(sequence)) return;
    expected.acked.add(sequence);
    this.driver.ack(subscription, sequence);
    this.settle();
  }

  #replicate(): void {
    const { driver } = this;
    this.follower = new MachineDriver({ ...SETTINGS, flagUncertain: true }, false);
    const apply = driver.applyOnly.bind(driver);
    driver.applyOnly = (operation, index) => {
      this.#takeFacts();
      if (!this.overtakes) this.#reports.flush();
      this.overtakes = false;
      const outcome = apply(operation, index);
      this.log.push({ operation, index: this.#operations++ });
      this.#takeFacts();
      return outcome;
    };
  }

  #operations = 1;

  #takeFacts(): void {
    for (const fact of this.driver.facts.splice(0)) if (this.follower !== undefined) this.#reports.add(fact);
  }

  /** Brings the follower up to date. */
  sync(): void {
    this.#takeFacts();
    this.#reports.flush();
    for (const entry of this.log.splice(0)) {
      if ("fact" in entry) this.follower!.machine.learn([entry.fact]);
      else this.follower!.machine.apply(entry.operation, entry.index, 0);
    }
    this.follower!.machine.takeEffects();
  }

  /** The follower takes over; the last `lost` facts never reached it, nor did those gathered. A fresh node follows it. */
  changeLeader(lost: number): void {
    if (lost > 0) this.#reports.drop();
    for (; lost > 0 && this.log.length > 0 && "fact" in this.log[this.log.length - 1]!; lost--) this.log.pop();
    this.sync();
    const snapshot = this.follower!.machine.snapshot();
    this.driver.follow();
    // Both ways to become a leader: having followed, and having been restored from a snapshot.
    if (lost % 2 === 0) this.driver.machine = this.follower!.machine;
    else this.driver.replaceMachine().restore(snapshot, 0);
    this.follower!.replaceMachine().restore(snapshot, 0);
    this.ledger.forgive();
    this.driver.lead();
    this.settle();
  }

  /** Everything works again and everybody acks until nothing comes any more. */
  finish(): void {
    this.#endSnapshot();
    const { driver, ledger } = this;
    this.deaf.clear();
    driver.broken.clear();
    driver.unreadable.clear();
    for (const each of this.online) if (!each.initialised) driver.machine.started(each, driver.now);
    this.settle();
    for (const each of [...driver.channel().subscriptions.values()]) if (each.offline) this.#resume(each);
    for (let quiet = 0, round = 0; quiet < 12 && round < 1_000; round++) {
      driver.advance(200);
      this.settle();
      quiet++;
      for (const each of this.online) {
        for (const sequence of [...each.pending.keys()]) {
          quiet = 0;
          if (!each.unsent.has(sequence)) this.acknowledge(each, sequence);
        }
      }
    }
    for (const each of this.online) assert.equal(each.pending.size, 0, `pending of ${each.id}`);
    const expected = new Set(this.online.map((each) => ledger.of(each.inbox)!));
    ledger.checkComplete(expected, driver.channel().last);
    assert.deepEqual(driver.wakeUps.filter((key) => key.startsWith("ack/")), []);
    if (this.follower === undefined) return;
    this.sync();
    const [follower, leader] = [this.follower, driver].map(({ machine }) => decodeSnapshot(machine.snapshot()));
    assert.deepEqual(follower, leader);
  }

  #resume(offline: Subscription): void {
    const [durable = "", group = ""] = offline.group === undefined
      ? [offline.durableName]
      : offline.group.name.split(":");
    const client = offline.group === undefined ? offline.clientId : "a";
    if (!this.driver.machine.state.clients.has(client)) this.driver.connect(client);
    this.subscribe({ client, group, durable, position: 0, sequence: 0, inFlight: 5, ackWait: 200 });
  }
}

/** One step of a run; `what` shows in counterexamples. */
class Step implements fc.Command<object, World> {
  constructor(readonly what: string, readonly act: (world: World) => void) {}
  check(): boolean {
    return true;
  }
  run(_model: object, world: World): void {
    this.act(world);
    world.settle();
  }
  toString(): string {
    return this.what;
  }
}

function step<T>(name: string, values: fc.Arbitrary<T>, act: (world: World, value: T) => void): fc.Arbitrary<Step> {
  return values.map((value) => new Step(`${name}(${JSON.stringify(value)})`, (world) => act(world, value)));
}

const small = fc.nat({ max: 30 });
const wishes = fc.record({
  client: fc.constantFrom(...CLIENTS),
  group: fc.constantFrom("", "", "g", "h"),
  durable: fc.constantFrom("", "d"),
  position: fc.constantFrom(...POSITIONS),
  sequence: fc.nat({ max: 40 }),
  inFlight: fc.integer({ min: 1, max: 5 }),
  ackWait: fc.constantFrom(50, 200, 1_000),
  start: fc.constantFrom(true, true, true, false),
});

const steps = [
  step("publish", fc.integer({ min: 1, max: 12 }), ({ driver }, count) => driver.publish(count)),
  step("subscribe", wishes, (world, wish) => {
    if (!world.driver.machine.state.clients.has(wish.client)) world.driver.connect(wish.client);
    world.subscribe(wish);
  }),
  step("start", small, ({ driver, online }, i) => {
    const waiting = online.filter((each) => !each.initialised);
    const chosen = waiting[i % Math.max(1, waiting.length)];
    if (chosen !== undefined) driver.machine.started(chosen, driver.now);
  }),
  step("ack", fc.record({ sub: small, which: small, count: fc.integer({ min: 1, max: 6 }) }), (world, value) => {
    const subscription = world.pick(value.sub);
    const pending = [...subscription?.pending.keys() ?? []];
    for (let i = 0; i < value.count && pending.length > 0; i++) {
      const [sequence] = pending.splice((value.which + 7 * i) % pending.length, 1);
      if (subscription!.unsent.has(sequence!)) continue;
      world.acknowledge(subscription!, sequence!);
    }
  }),
  step("ack for another member", fc.record({ sub: small, other: small }), (world, { sub, other }) => {
    const subscription = world.pick(sub);
    const members = subscription?.group?.members ?? [];
    const member = members[other % Math.max(1, members.length)];
    const [sequence] = member?.pending.keys() ?? [];
    if (sequence !== undefined && !member!.unsent.has(sequence)) world.acknowledge(subscription!, sequence);
  }),
  step("advance", fc.constantFrom(1, 15, 60, 120, 250, 1_100, 3_000), ({ driver }, millis) => driver.advance(millis)),
  step("leave", fc.record({ sub: small, remove: fc.boolean(), overtakes: fc.boolean() }), (world, value) => {
    const subscription = world.pick(value.sub);
    world.overtakes = value.overtakes;
    if (subscription !== undefined) world.driver.unsubscribe(subscription, value.remove);
  }),
  step(
    "disconnect",
    fc.record({ client: fc.constantFrom(...CLIENTS), overtakes: fc.boolean() }),
    (world, value) => {
      world.overtakes = value.overtakes;
      world.driver.disconnect(value.client);
    },
  ),
  step("replace", fc.constantFrom(...CLIENTS), ({ driver }, client) => driver.connect(client, { replace: true })),
  step(
    "deaf",
    fc.constantFrom(...CLIENTS),
    ({ deaf }, client) => deaf.has(client) ? deaf.delete(client) : deaf.add(client),
  ),
];

const snapshot = step("snapshot", fc.constant(0), (world) => world.snapshot());

const faults = [
  step("break", small, (world, i) => {
    const { broken } = world.driver;
    const inbox = world.pick(i)?.inbox;
    world.ledger.anyBroken = true;
    if (broken.size > 1) broken.clear();
    else if (inbox !== undefined) broken.add(inbox);
  }),
  step("unreadable", fc.boolean(), ({ driver, ledger }, on) => {
    ledger.anyBroken = true;
    if (on) driver.unreadable.add("foo");
    else driver.unreadable.clear();
  }),
  step("drop", small, ({ driver, ledger }, i) => {
    const sequence = i % driver.channel().last + 1;
    driver.drop(sequence);
    ledger.gone.add(sequence);
  }),
  step("evict", fc.integer({ min: 1, max: 4 }), ({ driver, ledger }, count) => {
    const stored = driver.channels.get("foo")!;
    for (; count > 0 && stored.first <= stored.times.length; count--) ledger.gone.add(stored.first++);
  }),
];

const restart = step("restart", fc.constantFrom(0, 100, 5_000), ({ driver }, later) => void driver.restart(later));
const changeLeader = step("change leader", fc.nat({ max: 8 }), (world, lost) => world.changeLeader(lost));
const sync = step("sync", fc.constant(0), (world) => world.sync());

function explore(clustered: boolean, choice: readonly fc.Arbitrary<Step>[], runs: number): void {
  const seed = Number(Deno.env.get("MODEL_SEED") ?? 20);
  fc.assert(
    fc.property(fc.commands([...choice], { maxCommands: 60, size: "max" }), (commands) => {
      const world = new World(clustered);
      fc.modelRun(() => ({ model: {}, real: world }), commands);
      world.finish();
    }),
    { numRuns: Number(Deno.env.get("MODEL_RUNS") ?? runs), seed },
  );
}

Deno.test("model: alone, with restarts, nobody misses, waits for, or is flooded with messages", () => {
  explore(false, [...steps, ...steps, restart, snapshot], 300);
});

Deno.test("model: so it is when inboxes fail, messages cannot be read, or are gone", () => {
  explore(false, [...steps, ...steps, ...faults, restart, snapshot], 300);
});

Deno.test("model: replicas end equal, and a new leader leaves nobody out", () => {
  explore(true, [...steps, ...steps, sync, changeLeader, snapshot, snapshot], 300);
});
