/**
 * Power losses and kills at every call of recorded workloads: afterwards every flushed message is there, in order, and nothing
 * else is.
 */
import assert from "node:assert/strict";
import { silentLog } from "../../ports/log.ts";
import type { ChannelStore, RecoveredState, Store } from "../../ports/store.ts";
import { MemoryFiles, randomSurvival } from "../../../tests/support/memory_files.ts";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import { VirtualClock } from "../../../tests/support/virtual_clock.ts";
import {
  clientOf,
  limitsWith,
  messagesOf,
  put,
  start,
  subscriptionOf,
  textOf,
} from "../../../tests/support/store_messages.ts";
import { openFileStore, type OpenFileStoreOptions } from "./opening.ts";

/** A channel as the workload knows it. */
interface Model {
  readonly name: string;
  store: ChannelStore;
  appended: number;
  flushed: number;
  /** What happened to its subscriptions, as texts; and how much of that is flushed. */
  readonly operations: Operation[];
  flushedOperations: number;
  lastId: number;
}

interface Operation {
  readonly kind: "create" | "update" | "delete" | "pending" | "ack";
  readonly id: number;
  readonly sequence: number;
}

interface World {
  readonly files: MemoryFiles;
  readonly models: Map<string, Model>;
  /** Not checked at the moment: it is being made or removed. */
  changing: string | undefined;
  readonly clients: Set<string>;
}

const NAMES = ["a", "b.c", "d"];

/** Does not wait for the test to go on to the next turn. */
class ImpatientClock extends VirtualClock {
  override soon(run: () => void): void {
    queueMicrotask(run);
  }
}

/** On which everything takes a while, syncs among it: then they are not waited for. */
class SlowClock extends ImpatientClock {
  #asked = 0;
  override now(): number {
    return super.now() + ++this.#asked;
  }
}

/** What a crash at this moment leaves of a disk. */
type Crash = (files: MemoryFiles, random: SeededRandom) => MemoryFiles;

type Options = Partial<OpenFileStoreOptions> & { readonly slow?: boolean };

function open(files: MemoryFiles, { slow = false, ...options }: Options, random: SeededRandom): Store {
  const ports = { files, clock: slow ? new SlowClock() : new ImpatientClock(), log: silentLog, random };
  return openFileStore({ ...options, directory: "/data" }, ports);
}

/** What a message says: it tells channel and sequence, and its size varies. */
function payload(channel: string, sequence: number): string {
  return `${channel}/${sequence}/`.padEnd(10 + (sequence * 37) % 160, "x");
}

class Workload {
  readonly #random: SeededRandom;
  readonly #world: World;
  readonly #store: Store;
  #now = 0;

  constructor(world: World, store: Store, random: SeededRandom) {
    this.#world = world;
    this.#store = store;
    this.#random = random;
  }

  async run(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) await this.#step();
  }

  async #step(): Promise<void> {
    const name = this.#random.pick(NAMES);
    const model = this.#world.models.get(name);
    if (model === undefined) return await this.#create(name);
    const dice = this.#random.below(100);
    if (dice < 40) this.#append(model, this.#random.between(1, 8));
    else if (dice < 65) await this.#flush(model);
    else if (dice < 85) this.#subscribe(model);
    else if (dice < 90) model.store.messages.evictBefore(model.store.messages.first + this.#random.below(4));
    else if (dice < 94) await this.#store.maintain(this.#now += 1100);
    else if (dice < 96) await this.#store.addClient(clientOf(this.#addClient()));
    else if (dice < 97) await this.#remove(model);
    else await this.#flushAll();
  }

  #addClient(): string {
    const id = `client ${this.#world.clients.size}`;
    this.#world.clients.add(id);
    return id;
  }

  async #create(name: string): Promise<void> {
    this.#world.changing = name;
    const store = await this.#store.createChannel(name);
    this.#world.models.set(name, {
      name,
      store,
      appended: 0,
      flushed: 0,
      operations: [],
      flushedOperations: 0,
      lastId: 0,
    });
    this.#world.changing = undefined;
  }

  async #remove(model: Model): Promise<void> {
    this.#world.changing = model.name;
    this.#world.models.delete(model.name);
    await this.#store.deleteChannel(model.name);
    this.#world.changing = undefined;
  }

  #append(model: Model, count: number): void {
    for (let i = 0; i < count; i++) {
      const sequence = ++model.appended;
      put(model.store.messages, model.name, sequence, payload(model.name, sequence));
    }
  }

  async #flush(model: Model): Promise<void> {
    const { appended } = model;
    const operations = model.operations.length;
    await model.store.messages.flush();
    model.flushed = appended;
    await model.store.subscriptions.flush();
    model.flushedOperations = operations;
  }

  async #flushAll(): Promise<void> {
    await Promise.all([...this.#world.models.values()].map((model) => this.#flush(model)));
  }

  #subscribe(model: Model): void {
    const { subscriptions } = model.store;
    const id = this.#random.between(1, model.lastId + 1);
    const sequence = this.#random.between(1, 30);
    const kind = id > model.lastId
      ? "create"
      : this.#random.pick(["pending", "pending", "pending", "ack", "ack", "update", "delete"] as const);
    model.operations.push({ kind, id, sequence });
    if (kind === "create") {
      model.lastId = id;
      subscriptions.create(subscriptionOf(id));
    } else if (kind === "update") subscriptions.update(subscriptionOf(id, { lastSent: sequence, isClosed: true }));
    else if (kind === "delete") subscriptions.delete(id);
    else if (kind === "pending") subscriptions.addPending(id, sequence);
    else subscriptions.acknowledge(id, sequence);
  }
}

/** What recovery should say of subscriptions after some operations. */
function subscriptionsAfter(operations: readonly Operation[]): string {
  const found = new Map<number, { closed: boolean; lastSent: number; pending: Set<number> }>();
  for (const { kind, id, sequence } of operations) {
    const known = found.get(id);
    if (kind === "create") found.set(id, { closed: false, lastSent: 0, pending: new Set() });
    else if (kind === "update") {
      found.set(id, { closed: true, lastSent: sequence, pending: known?.pending ?? new Set() });
    } else if (kind === "delete") found.delete(id);
    else if (kind === "ack") known?.pending.delete(sequence);
    else if (known !== undefined) {
      known.pending.add(sequence);
      known.lastSent = Math.max(known.lastSent, sequence);
    }
  }
  return describe(
    [...found].map(([id, { closed, lastSent, pending }]) => ({ id, closed, lastSent, pending: [...pending] })),
  );
}

function describe(list: { id: number; closed: boolean; lastSent: number; pending: readonly number[] }[]): string {
  return list.sort((a, b) => a.id - b.id)
    .map(({ id, closed, lastSent, pending }) => `${id} ${closed} ${lastSent} [${[...pending].sort((a, b) => a - b)}]`)
    .join("; ");
}

/** Checks what recovery found against what the workload knew when the lights went out. */
async function check(world: World, state: RecoveredState): Promise<void> {
  for (const { name, store, appended, flushed, operations, flushedOperations } of world.models.values()) {
    if (name === world.changing) continue;
    const recovered = state.channels.get(name);
    assert.ok(recovered !== undefined, `channel ${name} is missing`);
    const { messages } = recovered.store;
    const context =
      `${name}: ${messages.first} to ${messages.last}, flushed ${flushed}, evicted below ${store.messages.first}`;
    assert.ok(messages.last <= appended, context);
    assert.ok(messages.last >= flushed, context);
    if (flushed > 0) assert.ok(messages.first <= Math.max(store.messages.first, 1), context);
    const found = await messagesOf(messages, Math.max(1, messages.first));
    assert.equal(found.length, messages.count, context);
    let next = Math.max(messages.first, store.messages.first);
    for (const message of found) {
      assert.equal(textOf(message), payload(name, message.sequence), context);
      // What was evicted may be there again, in part.
      if (message.sequence >= store.messages.first) assert.equal(message.sequence, next++, context);
    }
    const subscriptions = describe(
      recovered.subscriptions.map(({ state, pending }) => ({
        id: state.id,
        closed: state.isClosed,
        lastSent: state.lastSent,
        pending,
      })),
    );
    const possible = [];
    for (let end = flushedOperations; end <= operations.length; end++) {
      possible.push(subscriptionsAfter(operations.slice(0, end)));
    }
    assert.ok(possible.includes(subscriptions), `${context}: ${subscriptions} is none of ${possible.join(" | ")}`);
  }
  for (const name of state.channels.keys()) assert.ok(world.models.has(name) || name === world.changing, name);
  for (const { id } of state.clients) assert.ok(world.clients.has(id));
}

/** Recovers, checks, goes on, loses power again, and recovers. */
async function checkRecovery(
  world: World,
  disk: MemoryFiles,
  options: Options,
  chance: SeededRandom,
  crash: Crash,
): Promise<void> {
  const random = new SeededRandom(9);
  const again: MemoryFiles[] = [];
  disk.onCall = () => {
    if (chance.chance(0.05) && again.length < 2) again.push(crash(disk, chance));
    return undefined;
  };
  const store = open(disk, options, random);
  const state = await start(store);
  await check(world, state);
  const lasts = await goOn(state);
  // What was kept in memory is let go, so that reading shows what the files hold.
  for (const now of [1, 3000, 6000]) await store.maintain(now);
  await checkFilled(state, lasts);
  await store.close();
  disk.onCall = undefined;
  const reopened = open(disk, options, random);
  await checkFilled(await start(reopened), lasts);
  await reopened.close();
  for (const disk of again) {
    const third = open(disk, options, random);
    const found = await start(third);
    if (found.channels.size > 0) await check(withMore(world, state, lasts), found);
    await third.close();
  }
}

/** Adds three messages to each channel. Answers the last sequence of each. */
async function goOn(state: RecoveredState): Promise<Map<string, number>> {
  const lasts = new Map<string, number>();
  for (const [name, { store: { messages } }] of state.channels) {
    for (let i = 1; i <= 3; i++) {
      const sequence = messages.last + 1;
      put(messages, name, sequence, payload(name, sequence));
    }
    await messages.flush();
    lasts.set(name, messages.last);
  }
  return lasts;
}

async function checkFilled({ channels }: RecoveredState, lasts: Map<string, number>): Promise<void> {
  for (const [name, last] of lasts) {
    const { messages } = channels.get(name)!.store;
    const found = await messagesOf(messages, messages.first);
    assert.deepEqual(found.map(textOf), found.map((message) => payload(name, message.sequence)));
    assert.equal(found.length, messages.count);
    assert.equal(found.at(-1)!.sequence, last);
  }
}

/** The world after its channels have gone on to these sequences, and evicted others, which may not have reached the disk. */
function withMore(world: World, { channels }: RecoveredState, lasts: Map<string, number>): World {
  const models = new Map<string, Model>();
  for (const [name, model] of world.models) {
    const first = channels.get(name)?.store.messages.first ?? 0;
    const store = { messages: { first: Math.max(first, model.store.messages.first) } } as ChannelStore;
    models.set(name, { ...model, store, appended: Math.max(model.appended, lasts.get(name) ?? 0) });
  }
  return { ...world, models };
}

/** Runs a workload and takes disks as a crash would leave them at its calls. Answers how many there were. */
async function crashEverywhere(
  seed: number,
  options: Options,
  steps: number,
  crash: Crash,
): Promise<number> {
  const random = new SeededRandom(seed);
  const chance = random.fork();
  const files = new MemoryFiles();
  const world: World = { files, models: new Map(), changing: undefined, clients: new Set() };
  const store = open(files, options, random.fork());
  await start(store);
  const disks: { readonly disk: MemoryFiles; readonly world: World }[] = [];
  files.onCall = (call) => {
    if (call.kind !== "open") disks.push({ disk: crash(files, chance), world: snapshot(world) });
    return undefined;
  };
  await new Workload(world, store, random.fork()).run(steps);
  files.onCall = undefined;
  await store.close();
  for (const { disk, world } of disks) await checkRecovery(world, disk, options, chance, crash);
  return disks.length;
}

function snapshot(world: World): World {
  const models = new Map<string, Model>();
  for (const [name, model] of world.models) {
    const { first, last, count } = model.store.messages;
    const store = { messages: { first, last, count } } as ChannelStore;
    models.set(name, { ...model, store, operations: [...model.operations] });
  }
  return { ...world, models, clients: new Set(world.clients) };
}

const TINY = {
  bufferSize: 300,
  sliceMaxBytes: 700,
  fileDescriptorsLimit: 2,
  compactMinFileSize: 200,
  compactInterval: 1,
  compactFragmentation: 20,
  limits: limitsWith({ maxBytes: 3000 }),
};

interface Kind {
  readonly name: string;
  readonly options: Options;
  /** Of the workload; 50 by default. */
  readonly steps?: number;
}

const KINDS: readonly Kind[] = [
  { name: "as usual", options: {} },
  { name: "syncing beside other work", options: { slow: true } },
  { name: "tiny buffers beside other work", options: { slow: true, bufferSize: 150 } },
  {
    name: "small slices and limits",
    steps: 30,
    options: { sliceMaxMessages: 5, limits: limitsWith({ maxMessages: 17 }) },
  },
  { name: "tiny buffers and slices", steps: 25, options: TINY },
  { name: "written at once", options: { bufferSize: 0 } },
  {
    name: "compacting all the time",
    options: { compactMinFileSize: 0, compactInterval: 1, compactFragmentation: 1, bufferSize: 100 },
  },
];

for (const { name, options, steps = 50 } of KINDS) {
  for (const seed of [1, 2]) {
    Deno.test(`a power loss at any moment keeps what was flushed: ${name}, seed ${seed}`, async () => {
      const crashes = await crashEverywhere(
        seed,
        options,
        steps,
        (files, chance) => files.afterCrash(randomSurvival(chance)),
      );
      assert.ok(crashes > 40, `${crashes} crashes`);
    });
  }
  Deno.test(`a kill at any moment keeps what was flushed, without syncing: ${name}`, async () => {
    const crashes = await crashEverywhere(4, { ...options, sync: false }, 80, (files) => files.afterKill());
    assert.ok(crashes > 40, `${crashes} crashes`);
  });
}
