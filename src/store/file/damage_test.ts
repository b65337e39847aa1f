/** Every file of a real directory flipped, cut and zero-filled at many places: never a crash, and the error names the place. */
import assert from "node:assert/strict";
import { StoreFailed } from "../../ports/store.ts";
import { MemoryFiles } from "../../../tests/support/memory_files.ts";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import { contents, copyOfFixture, fixtureNames, writeFile } from "../../../tests/support/store_fixtures.ts";
import { type messagesOf, put, start } from "../../../tests/support/store_messages.ts";
import { Place } from "../../../tests/support/store_place.ts";
import {
  type Damage,
  inspectClients,
  inspectMessages,
  inspectServer,
  inspectSubscriptions,
  listChannels,
} from "./inspect.ts";
import { ownMemory } from "../../../tests/support/own_memory.ts";

const PLACES = 1000;
const here = fixtureNames().includes("basic");
const original = here ? contents(copyOfFixture("basic"), "/data") : new Map<string, Uint8Array>();
const paths = [...original.keys()].filter((path) => /\.(dat|idx)$/.test(path)).sort();

type Spoil = (bytes: Uint8Array, at: number, random: SeededRandom) => Uint8Array;

const ways: Readonly<Record<string, Spoil>> = {
  flipped: (bytes, at, random) => bytes.with(at, bytes[at]! ^ (1 << random.below(8))),
  cut: (bytes, at) => bytes.slice(0, at),
  "zero-filled": (bytes, at, random) => bytes.slice().fill(0, at, at + random.between(1, 64)),
};

/** A directory like the original but for one file. */
function spoiled(path: string, bytes: Uint8Array): MemoryFiles {
  const files = new MemoryFiles();
  for (const [name, content] of original) {
    const at = name.lastIndexOf("/");
    files.makeDirectory(at < 0 ? "/data" : `/data/${name.slice(0, at)}`);
    writeFile(files, `/data/${name}`, name === path ? bytes : content);
  }
  return files;
}

/** Starts on it, reads everything and appends. A failure must be one of the store and say where. */
async function use(files: MemoryFiles): Promise<"used" | "refused"> {
  const place = new Place(files);
  const store = place.open();
  try {
    const { channels } = await start(store);
    for (const [name, { store: { messages } }] of channels) {
      await readAll(messages);
      put(messages, name, messages.last + 1, "new");
      await messages.flush();
    }
    await store.close();
    return "used";
  } catch (error) {
    assert.ok(error instanceof StoreFailed, `${error}`);
    if (error.code !== "refused") assert.match(causes(error), /file "\/data\/.*", offset \d+/);
    await store.close();
    return "refused";
  }
}

/** What an error says, with all that it says of its causes. */
function causes(error: unknown): string {
  return error instanceof Error ? `${error.message}; ${causes(error.cause)}` : String(error);
}

async function readAll(messages: Parameters<typeof messagesOf>[0]): Promise<void> {
  for (let from = Math.max(1, messages.first); from <= messages.last;) {
    try {
      from = await messages.read(from, messages.last, 1e6, () => true);
    } catch (error) {
      assert.ok(error instanceof StoreFailed && error.code === "corrupt", `${error}`);
      assert.match(error.message, /\(file ".*", offset \d+\)$/);
      from++;
    }
  }
}

function look(files: MemoryFiles): Damage[] {
  const found: Damage[] = [];
  const inspection = { files, directory: "/data", damage: (damage: Damage) => found.push(damage) };
  inspectServer(inspection);
  inspectClients(inspection);
  for (const channel of listChannels(inspection)) {
    inspectSubscriptions(inspection, channel);
    inspectMessages(inspection, channel);
  }
  return found;
}

for (const [way, spoil] of Object.entries(ways)) {
  Deno.test({
    name: `files that were ${way} at seeded places never crash a start, and are told apart`,
    ignore: !here,
    async fn() {
      const random = new SeededRandom(way.length);
      let refused = 0;
      const before = ownMemory();
      for (let i = 0; i < PLACES / 3; i++) {
        const path = paths[i % paths.length]!;
        const bytes = original.get(path)!;
        const at = random.below(Math.min(bytes.length, i % 2 === 0 ? bytes.length : 400));
        const files = spoiled(path, spoil(bytes, at, random));
        const damage = look(files);
        const unchanged = way === "zero-filled" && bytes.subarray(at, at + 64).every((byte) => byte === 0);
        const where = `${path} at ${at}`;
        for (const { file, offset, problem } of damage) assert.ok(file !== "" && offset >= 0 && problem !== "", where);
        const outcome = await use(files);
        if (outcome === "refused") refused++;
        if (way === "flipped" && !unchanged) assert.ok(damage.length > 0, `no damage is seen in ${where}`);
      }
      assert.ok(refused > 10, `${refused} refused`);
      const grown = ownMemory() - before;
      assert.ok(grown < 256 * 2 ** 20, `${grown} bytes more`);
    },
  });
}
