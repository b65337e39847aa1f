/** Fault tolerant mode in virtual time (spec clustering, section 9 and scenarios TS99 to TS105; spec streaming, section 9.5). */
import assert from "node:assert/strict";
import { MemoryNet } from "../../tests/support/memory_bus.ts";
import { RecordingLog } from "../../tests/support/recording_log.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { VirtualClock } from "../../tests/support/virtual_clock.ts";
import { CtrlMsg, CtrlType } from "../protocol/client_messages.ts";
import { Nuid } from "../protocol/nuid.ts";
import { FaultTolerance } from "./fault_tolerance.ts";
import { decodeTime, encodeTime } from "./ft_heartbeat.ts";

/** A directory that several servers share. */
class Shared {
  holder = "";
  note = "";
  /** Thrown by the next attempts. */
  failures: Error[] = [];
  attempts = 0;

  for(server: string) {
    return {
      tryLock: () => {
        this.attempts++;
        const failure = this.failures.shift();
        if (failure !== undefined) throw failure;
        if (this.holder === "") this.holder = server;
        return this.holder === server;
      },
      readOwner: () => this.note,
      writeOwner: (text: string) => void (this.note = text),
    };
  }
}

class World {
  readonly clock = new VirtualClock();
  readonly net = new MemoryNet(this.clock);
  readonly shared = new Shared();
  readonly servers = new Map<string, Member>();

  /** Starts a standby. */
  start(serverId: string, { group = "ft", shared = this.shared, seed = this.servers.size + 1 } = {}): Member {
    const member = new Member(this, serverId, group, shared, seed);
    this.servers.set(serverId, member);
    return member;
  }

  /** Sends a heartbeat of a server that is not there. */
  beat(serverId: string, activation: bigint, group = "ft", store = ""): void {
    const data = encodeTime(activation);
    this.send(CtrlMsg.encode({ type: CtrlType.faultToleranceHeartbeat, serverId, data, refId: store }), group);
  }

  send(payload: Uint8Array, group = "ft"): void {
    this.net.connect("stranger").publish(new TextEncoder().encode(`_STAN.ft.cid.${group}`), payload);
  }

  get active(): string[] {
    return [...this.servers.values()].filter((member) => member.ft.active).map((member) => member.serverId);
  }
}

class Member {
  readonly ft: FaultTolerance;
  readonly log = new RecordingLog();
  readonly bus;
  conflict: string | undefined;
  outcome: boolean | Error | undefined;

  constructor(readonly world: World, readonly serverId: string, group: string, readonly shared: Shared, seed: number) {
    this.bus = world.net.connect(serverId);
    const random = new SeededRandom(seed);
    this.ft = new FaultTolerance({
      clusterId: "cid",
      group,
      serverId,
      bus: this.bus,
      store: shared.for(serverId),
      clock: world.clock,
      random,
      nuid: new Nuid(random),
      log: this.log,
      onConflict: (reason) => this.conflict = reason,
    });
    this.ft.becomeActive().then((active) => this.outcome = active, (error: Error) => this.outcome = error);
  }

  /** As by SIGKILL: it says nothing more and the lock is free. */
  async die(): Promise<void> {
    this.ft.stop();
    await this.bus.close();
    if (this.shared.holder === this.serverId) this.shared.holder = "";
  }
}

Deno.test("TS99: of three servers one becomes active; when it dies another one does within two seconds", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = new World();
    for (const name of ["a", "b", "c"]) world.start(name, { seed: 10 * seed + name.charCodeAt(0) });
    const begin = world.clock.now();
    await world.clock.until(() => world.active.length > 0, 2_000, "a server to be active");
    assert.ok(world.clock.now() - begin >= 1_000, "each starts as a standby");
    await world.clock.advance(30_000);
    assert.equal(world.active.length, 1, "the others stay standbys");
    const first = world.servers.get(world.active[0]!)!;
    assert.deepEqual(first.log.lines, ["INF Starting in standby mode", "INF Server is active"]);
    await first.die();
    const death = world.clock.now();
    await world.clock.until(() => world.active.length > 0, 2_000, "another one to be active");
    assert.ok(world.clock.now() - death < 2_000);
    assert.notEqual(world.active[0], first.serverId);
    await world.clock.advance(10_000);
    assert.equal(world.active.length, 1);
  }
});

Deno.test("TS100: a standby that is stopped before it is active ends without a word", async () => {
  const world = new World();
  const active = world.start("a");
  await world.clock.advance(2_000);
  const standby = world.start("b");
  await world.clock.advance(5_000);
  standby.ft.stop();
  await world.clock.advance(5_000);
  assert.equal(standby.outcome, false);
  assert.deepEqual(standby.log.lines, ["INF Starting in standby mode"]);
  assert.equal(active.ft.active, true);
});

Deno.test("TS101: while heartbeats are cut and the lock is held, standbys stay; the active one goes on", async () => {
  const world = new World();
  const active = world.start("a");
  await world.clock.advance(2_000);
  const standby = world.start("b");
  await world.clock.advance(2_000);
  active.bus.disconnect();
  await world.clock.advance(30_000);
  assert.deepEqual(world.active, ["a"]);
  assert.ok(active.log.lines.includes("ERR Unable to send FT heartbeat: nats: outbound buffer limit exceeded"));
  const refused = "INF ft: unable to get store lock at this time, going back to standby";
  const printed = standby.log.lines.filter((line) => line === refused).length;
  assert.ok(printed >= 3 && printed <= 7, `printed ${printed} times in 30 s, ever more rarely`);
  active.bus.reconnect();
  await world.clock.advance(5_000);
  const attempts = world.shared.attempts;
  await world.clock.advance(10_000);
  assert.equal(world.shared.attempts, attempts, "with heartbeats the lock is left alone");
  assert.deepEqual(world.active, ["a"]);
});

Deno.test("TS102: of two active servers the later one gives up, the earlier one only says so", async () => {
  const world = new World();
  const server = world.start("a");
  await world.clock.advance(2_000);
  world.beat("later", world.clock.wall() + 1_000_000_000n);
  await world.clock.settle();
  assert.equal(server.ft.active, true);
  assert.equal(server.log.lines.at(-1), 'ERR ft: serverID "later" claims to be active');
  world.beat("earlier", world.clock.wall() - 60_000_000_000n);
  await world.clock.settle();
  assert.equal(server.ft.active, false);
  assert.equal(server.conflict, 'ft: serverID "earlier" claims to be active, aborting');
});

Deno.test("TS104: an error with the lock is logged and the lock is tried again", async () => {
  const world = new World();
  world.shared.failures = [new Error("first"), new Error("second")];
  const server = world.start("a");
  await world.clock.until(() => server.ft.active, 6_000);
  assert.deepEqual(server.log.lines, [
    "INF Starting in standby mode",
    "ERR ft: error attempting to get the store lock: first",
    "ERR ft: error attempting to get the store lock: second",
    "INF Server is active",
  ]);
});

Deno.test("TS105: heartbeats that are none, one's own, or without a time are ignored", async () => {
  const world = new World();
  const server = world.start("a");
  await world.clock.advance(500);
  const type = CtrlType.faultToleranceHeartbeat;
  const time = encodeTime(1n);
  const noise = [
    new Uint8Array(0),
    Uint8Array.of(0xff, 0xff, 0xff),
    CtrlMsg.encode({ type, serverId: "", data: time }),
    CtrlMsg.encode({ type, serverId: "x", data: time.subarray(1) }),
    CtrlMsg.encode({ type, serverId: "x", data: time.map((byte, i) => i === 0 ? 9 : byte) }),
    CtrlMsg.encode({ type: CtrlType.partitioning, serverId: "x", data: time }),
    CtrlMsg.encode({ type, serverId: "a", data: time }),
  ];
  for (let round = 0; round < 10; round++) {
    for (const payload of noise) world.send(payload);
    await world.clock.advance(200);
  }
  assert.equal(server.ft.active, true, "nothing of it put the standby off");
  for (const payload of noise) world.send(payload);
  await world.clock.advance(5_000);
  assert.equal(server.ft.active, true);
  assert.equal(server.conflict, undefined);
});

Deno.test("while another group of the same cluster id is active a standby refuses to go on", async () => {
  const world = new World();
  const server = world.start("a");
  world.beat("other", 1n, "elsewhere");
  await world.clock.advance(10);
  assert.ok(server.outcome instanceof Error);
  assert.equal(
    server.outcome.message,
    'ft: server "other" of the group "elsewhere" is active for cluster ID "cid"; ' +
      'this server\'s group is "ft", and all servers of a cluster ID must be of one group',
  );
  assert.equal(world.shared.attempts, 0);
});

Deno.test("two groups that became active at the same time: the later one gives up", async () => {
  const world = new World();
  const one = world.start("a", { group: "one", seed: 5 });
  const two = world.start("b", { group: "two", shared: new Shared(), seed: 5 });
  await world.clock.advance(3_000);
  assert.equal(world.active.length, 1);
  assert.equal([one, two].filter((each) => each.conflict !== undefined || each.outcome instanceof Error).length, 1);
});

Deno.test("a standby whose directory is not the shared one does not take over with an empty store", async () => {
  const world = new World();
  const active = world.start("a");
  await world.clock.advance(2_000);
  const lost = world.start("b", { shared: new Shared() });
  await world.clock.advance(2_000);
  await active.die();
  await world.clock.advance(3_000);
  assert.equal(lost.ft.active, false);
  assert.ok(lost.outcome instanceof Error);
  assert.match(
    lost.outcome.message,
    /^ft: this server's store is not the one that the active server of group "ft" had; /,
  );
});

Deno.test("a store keeps its identity from server to server, and its epoch grows", async () => {
  const world = new World();
  const first = world.start("a");
  await world.clock.advance(2_000);
  const before = JSON.parse(world.shared.note);
  assert.deepEqual([before.epoch, before.group, before.server], [1, "ft", "a"]);
  await first.die();
  world.start("b");
  await world.clock.advance(2_000);
  const after = JSON.parse(world.shared.note);
  assert.deepEqual(after, { store: before.store, epoch: 2, group: "ft", server: "b" });
});

Deno.test("an active server whose store was taken by another one writes nothing more and gives up", async () => {
  const world = new World();
  const server = world.start("a");
  await world.clock.advance(2_000);
  server.ft.fence();
  const note = JSON.parse(world.shared.note);
  world.shared.note = JSON.stringify({ ...note, epoch: note.epoch + 1, server: "b" });
  const lost = 'ft: the store is no longer this server\'s: server "b" has taken it';
  assert.throws(() => server.ft.fence(), { name: "StoreFailed", code: "io", message: lost });
  await world.clock.advance(2_000);
  assert.equal(server.ft.active, false);
  assert.equal(server.conflict, `${lost}, aborting`);
});

Deno.test("a note that is gone or unreadable counts as lost for the active server, as absent for the next", async () => {
  const world = new World();
  const server = world.start("a");
  await world.clock.advance(2_000);
  world.shared.note = "{";
  assert.throws(() => server.ft.fence(), { message: /the note of its owner is gone/ });
  await server.die();
  const next = world.start("b");
  await world.clock.advance(3_000);
  assert.equal(next.ft.active, true);
});

Deno.test("activation times survive the wire and what is no time is none", () => {
  for (const time of [0n, 1n, 1_795_340_807_324_174_445n, -1n * 1_000_000_000n]) {
    assert.equal(decodeTime(encodeTime(time)), time);
  }
  const utc = encodeTime(1_795_340_807_324_174_445n);
  assert.equal(utc.length, 15);
  assert.deepEqual([utc[0], utc[13], utc[14]], [1, 0xff, 0xff]);
  assert.equal(decodeTime(utc.subarray(0, 14)), undefined);
  assert.equal(decodeTime(utc.map((byte, i) => i === 9 ? 0xff : byte)), undefined);
});
