import assert from "node:assert/strict";
import { RaftWorld } from "./raft_world.ts";

const WORLDS = 60;

/** Lets `ms` pass; `each` is called after every event. */
function live(world: RaftWorld, ms: number, each: () => void = () => {}): void {
  const end = world.queue.now + ms;
  while (world.queue.now < end && world.queue.step()) each();
}

/** Somebody proposes something every 20 ms, to whoever leads. */
function propose(world: RaftWorld): void {
  world.leader()?.enter((raft) => raft.propose("operations", [new Uint8Array(5)]));
  world.queue.after(20, () => propose(world));
}

function committed(world: RaftWorld): number {
  return Math.max(...[...world.nodes.values()].map((node) => node.committed));
}

/** Cuts most links, some of them one way, but none of one node. */
function cutAllButABridge(world: RaftWorld): void {
  const ids = [...world.nodes.keys()];
  const bridge = world.random.pick(ids);
  for (const left of ids) {
    for (const right of ids) {
      const spared = left >= right || left === bridge || right === bridge || world.random.chance(40);
      if (!spared) world.network.split([left], [right], world.random.chance(20));
    }
  }
}

Deno.test("TS83: where links are broken for good but one node reaches all, one leader stays and work goes on", () => {
  for (let seed = 1; seed <= WORLDS; seed++) {
    const world = new RaftWorld({ seed });
    if (world.nodes.size < 3) continue;
    propose(world);
    live(world, 1_500);
    cutAllButABridge(world);
    live(world, 2_000);
    const before = committed(world);
    const terms = new Set<number>();
    live(world, 3_000, () => terms.add(world.leader()?.raft?.term ?? -1));
    assert(committed(world) - before > 100, `seed ${seed}: ${committed(world) - before} entries in three seconds`);
    assert.equal(terms.size, 1, `seed ${seed}: leaders of terms ${[...terms].join(", ")}`);
  }
});
