import assert from "node:assert/strict";
import { MUTANTS, mutate } from "./raft_mutants.ts";
import { raftInvariants } from "./raft_invariants.ts";
import { raftSimulation, RaftWorld } from "./raft_world.ts";
import { mutateServers } from "./servers/server_mutants.ts";
import type { SimulationResult } from "./simulation.ts";
import { crc32c } from "../../src/raft/wire/mod.ts";
import { decodeMessage } from "../../src/raft/wire/wire_format.ts";

const SEEDS = 1_000;
/** A planted bug has to show within so many worlds. */
const MUTANT_SEEDS = 150;

function explain({ seed, failure }: SimulationResult): string {
  return `seed ${seed}: ${failure?.stack ?? "sound"}; replay with: deno task sim --world raft --seed ${seed}`;
}

Deno.test(`TS98: ${SEEDS} worlds of Raft nodes keep every invariant under faults, and recover`, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const result = await raftSimulation.run(seed, { trace: false });
    assert(result.failure === undefined, explain(result));
  }
});

Deno.test("I20: a world lives through the same events again", async () => {
  for (const seed of [7, 77, 777]) {
    const first = await raftSimulation.run(seed, { trace: true });
    const second = await raftSimulation.run(seed, { trace: true });
    assert.equal(first.digest, second.digest);
    assert.deepEqual(first.trace, second.trace);
    const untraced = await raftSimulation.run(seed, { trace: false });
    assert.equal(untraced.digest, first.digest);
    assert(first.trace.length > 100);
  }
});

/** The first world in which something is wrong. */
function firstFailure(makeWorld: (seed: number) => RaftWorld): SimulationResult | undefined {
  for (let seed = 1; seed <= MUTANT_SEEDS; seed++) {
    const result = makeWorld(seed).run();
    if (result.failure !== undefined) return result;
  }
  return undefined;
}

for (const mutant of MUTANTS) {
  Deno.test(`a core that breaks ${mutant.rule} is caught`, async () => {
    const cores = await mutate(mutant);
    try {
      const { makeCore } = cores;
      const found = firstFailure((seed) => new RaftWorld({ seed, makeCore, favourites: mutant.favourites ?? [] }));
      assert(found !== undefined, `not caught in ${MUTANT_SEEDS} worlds`);
    } finally {
      await cores.remove();
    }
  });
}

Deno.test("a driver that sends before it has stored is caught", () => {
  const found = firstFailure((seed) => new RaftWorld({ seed, bugs: { sendsBeforeStored: true } }));
  assert.match(found?.failure?.message ?? "", /^I8 /);
});

Deno.test("a driver that forgets votes is caught, also by what comes of it", () => {
  const found = firstFailure((seed) => new RaftWorld({ seed, bugs: { forgetsVotes: true } }));
  assert.match(found?.failure?.message ?? "", /^I8 /);
  const later = firstFailure((seed) => {
    const invariants = raftInvariants().filter((invariant) => !invariant.name.startsWith("I8"));
    return new RaftWorld({ seed, bugs: { forgetsVotes: true }, invariants });
  });
  assert(later !== undefined);
});

/** The bytes of a message with a checksum that fits whatever happened to its head. */
function mended(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer);
  if (bytes.length < 8) return bytes;
  const end = view.getUint32(4, true) + 8;
  if (end <= bytes.length) view.setUint32(0, crc32c(bytes, 4, end), true);
  return bytes;
}

Deno.test("a driver that takes damaged messages for sound is caught", () => {
  const found = firstFailure((seed) => {
    const world = new RaftWorld({ seed, favourites: ["badNetwork"] });
    world.network.decode = (bytes, clusterId) => decodeMessage(mended(bytes), clusterId);
    return world;
  });
  assert(found !== undefined);
});

const DISK_BUGS = [
  { file: "wal_recovery.ts", find: "record.synced > at) return next;", replace: "record.synced < 0) return next;" },
  {
    file: "wal_format.ts",
    find: "(version === 1 ? crc32c(payload) : payloadChecksum(payload))",
    replace: "getU32(bytes, at + 28)",
  },
  { file: "hard_state.ts", find: "view.getUint32(0, true) !== crc32c(bytes, 4) || ", replace: "" },
];

for (const { file, ...change } of DISK_BUGS) {
  Deno.test(`a node that takes a rotten disk for sound is caught: ${file}`, async () => {
    const { openNodeFiles, remove } = await mutateServers({ changes: [{ file: `raft/log/${file}`, ...change }] });
    try {
      const openFiles = openNodeFiles;
      const found = firstFailure((seed) => new RaftWorld({ seed, openFiles, favourites: ["rot"] }));
      assert.match(found?.failure?.message ?? "", /^P3 /);
    } finally {
      await remove();
    }
  });
}
