/** States of a server and what its pages say meanwhile, in virtual time (spec streaming, sections 9.1, 9.4 and 9.5). */
import assert from "node:assert/strict";
import { MemoryNet } from "../tests/support/memory_bus.ts";
import { RecordingLog } from "../tests/support/recording_log.ts";
import { SeededRandom } from "../tests/support/seeded_random.ts";
import { VirtualClock } from "../tests/support/virtual_clock.ts";
import { defaultOptions, type Options } from "./config/mod.ts";
import { builtIns } from "./plugins.ts";
import type { RecoveredState, Store } from "./ports/store.ts";
import { serverInfo } from "./protocol/subjects.ts";
import type { Nats, System } from "./registry.ts";
import { type RunningServer, serve } from "./serve.ts";
import { openMemoryStore } from "./store/mod.ts";

const none = { maxSubscriptions: 0, maxMessages: 0, maxBytes: 0, maxAge: 0n, maxInactivity: 0n };

class World {
  readonly clock = new VirtualClock();
  readonly net = new MemoryNet(this.clock);
  readonly log = new RecordingLog();
  readonly options: Options = defaultOptions();
  readonly fatal: string[] = [];
  /** What reading the store answers, once it is resolved. */
  readonly stored = Promise.withResolvers<RecoveredState | undefined>();
  monitor: Parameters<Parameters<typeof serve>[1]["monitor"]>[0] | undefined;
  server: RunningServer | undefined;

  constructor(change: (options: Options) => void = () => {}) {
    change(this.options);
  }

  start(): Promise<void> {
    const { clock, log } = this;
    const system = { clock, random: new SeededRandom(1), log, natsLog: log } as unknown as System;
    const registry = builtIns()
      .add("store", "MEMORY", { open: () => this.#store() })
      .add("store", "FILE", { open: () => this.#store() })
      .add("bus", "embedded", { start: () => Promise.resolve(this.#nats()) });
    return serve(this.options, {
      system,
      registry,
      runtime: "test",
      openFiles: () => ({ open: 0, max: 0 }),
      monitor: (pages) => {
        this.monitor = pages;
        return Promise.resolve(undefined);
      },
      onFatal: (reason, code) => this.fatal.push(`${code} ${reason}`),
    }).then((server) => void (this.server = server));
  }

  /** A page's status and, where it is JSON, one of its keys. */
  async page(path: string, key: string): Promise<unknown> {
    const page = await this.monitor!(path, new URLSearchParams());
    return page?.status === 200 && page.body !== "" ? JSON.parse(page.body)[key] : page?.status;
  }

  #store(): Store {
    const inner = openMemoryStore({ limits: { maxChannels: 0, global: none } });
    return new Proxy(inner, {
      get: (store, name: keyof Store) => {
        if (name === "recover") return () => this.stored.promise;
        const value = store[name];
        return typeof value === "function" ? value.bind(store) : value;
      },
    });
  }

  #nats(): Nats {
    return {
      url: "nats://memory",
      connect: (role) => this.net.connect(`server-${role}`),
      page: () => undefined,
      reload() {},
      close: () => Promise.resolve(),
    };
  }
}

Deno.test("streaming pages wait until the store is read", async () => {
  const world = new World();
  const started = world.start();
  await world.clock.settle();
  let answer: unknown;
  world.page("/streaming/serverz", "state").then((state) => answer = state);
  await world.clock.advance(5_000);
  assert.equal(answer, undefined);
  world.stored.resolve(undefined);
  await world.clock.until(() => answer !== undefined, 5_000, "the answer");
  assert.equal(answer, "STANDALONE");
  await world.clock.until(() => world.server !== undefined, 5_000, "the start");
  await started;
  assert.equal(await world.page("/streaming/isFTActive", ""), 204);
  assert.equal(await world.page("/streamings", ""), undefined);
  await world.server!.stop();
  assert.equal(await world.page("/streaming/serverz", "state"), "SHUTDOWN");
});

function faultTolerant({ streaming }: Options): void {
  streaming.store = "FILE";
  streaming.ftGroup = "ft";
}

Deno.test("a standby answers at once and says so; then it is the active one", async () => {
  const world = new World(faultTolerant);
  world.stored.resolve(undefined);
  await world.start();
  assert.equal(await world.page("/streaming/serverz", "state"), "FT_STANDBY");
  assert.equal(await world.page("/streaming/serverz", "cluster_id"), "");
  assert.equal(await world.page("/streaming/isFTActive", ""), 204);
  await world.clock.advance(3_000);
  assert.equal(await world.page("/streaming/serverz", "state"), "FT_ACTIVE");
  assert.equal(await world.page("/streaming/serverz", "cluster_id"), "test-cluster");
  assert.equal(await world.page("/streaming/isFTActive", ""), 200);
  assert.deepEqual(world.fatal, []);
  await world.server!.stop();
});

Deno.test("TS103: a store of another cluster id is seen at activation, which leaves the server failed", async () => {
  const world = new World(faultTolerant);
  const info = serverInfo("another", "_STAN.discover", "");
  world.stored.resolve({ info, clients: [], channels: new Map() });
  await world.start();
  assert.equal(await world.page("/streaming/serverz", "state"), "FT_STANDBY");
  await world.clock.advance(3_000);
  const reason = 'cluster ID "test-cluster" does not match recovered value of "another"';
  assert.deepEqual(world.fatal, [`1 ${reason}`]);
  assert.ok(world.log.lines.includes(`FTL ${reason}`));
  assert.equal(await world.page("/streaming/serverz", "state"), "FAILED");
  assert.equal(await world.page("/streaming/isFTActive", ""), 204);
  await world.server!.stop();
});

Deno.test("TS100: a standby that is stopped has not read the store", async () => {
  const world = new World(faultTolerant);
  await world.start();
  await world.clock.advance(500);
  await world.server!.stop();
  await world.clock.advance(5_000);
  assert.deepEqual(world.fatal, []);
  assert.ok(!world.log.lines.some((line) => line.includes("Recovering")));
});
