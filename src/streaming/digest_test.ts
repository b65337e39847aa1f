import assert from "node:assert/strict";
import { decodeOperations, encodeOperations } from "../protocol/operation_codec.ts";
import type { Operation } from "../protocol/operations.ts";
import { Machine } from "./machine.ts";
import { DEFAULT_LIMITS } from "../protocol/limits.ts";

const settings = { heartbeatInterval: 1000, heartbeatTimeout: 1000, heartbeatFailCount: 3 };

const connect: Operation = {
  kind: "connect",
  clientId: "me",
  heartbeatInbox: "hb",
  connId: Uint8Array.of(1),
  protocol: 1,
  pingInterval: 0,
  pingMaxOut: 0,
  replace: false,
};
const create: Operation = { kind: "create channel", channel: "foo" };

/** Two messages of `sizes` bytes, with `gap` foreign bytes between them as in a batch for several channels. */
function publish(sizes: readonly number[], gap: number, time = 5n): Operation {
  const bounds: number[] = [];
  let at = gap;
  for (const size of sizes) {
    bounds.push(at, at + size, at + size + 2, at + size + 4, at + size + 6);
    at += size + 6 + gap;
  }
  const messages = { count: sizes.length, bytes: new Uint8Array(at), bounds: Int32Array.from(bounds) };
  return { kind: "publish", channel: "foo", time, messages };
}

function after(operations: readonly Operation[], machine = new Machine(settings)): Machine {
  operations.forEach((operation, i) => machine.apply(operation, i + 1, 0));
  return machine;
}

Deno.test("D8: replicas that applied the same have the same digest, whoever packed the batch", () => {
  const operations = [connect, create, publish([10, 20], 7), publish([1], 0)];
  const leader = after(operations);
  const follower = after(decodeOperations(encodeOperations(operations)));
  assert.notEqual(leader.state.digest, 0);
  assert.equal(follower.state.digest, leader.state.digest);
});

Deno.test("D8: anything applied otherwise, left out or applied twice makes another digest", () => {
  const digests = [
    [connect, create, publish([10, 20], 0)],
    [connect, create, publish([10, 21], 0)],
    [connect, create, publish([10, 20], 0, 6n)],
    [connect, create, publish([30], 0)],
    [connect, create],
    [create, publish([10, 20], 0)],
    [connect, create, create, publish([10, 20], 0)],
    [connect, create, publish([10, 20], 0), publish([10, 20], 0)],
    [connect, create, publish([10, 20], 0), { kind: "disconnect", clientId: "me" } as const],
    [connect, create, publish([10, 20], 0), { kind: "expire", channel: "foo", incarnation: 2, first: 2 } as const],
  ].map((operations) => after(operations).state.digest);
  assert.equal(new Set(digests).size, digests.length);
});

Deno.test("D8: the digest is part of the snapshot", () => {
  const machine = after([connect, create, publish([10], 0)]);
  const other = new Machine(settings);
  other.restore(machine.snapshot(), 0);
  assert.equal(other.state.digest, machine.state.digest);
  assert.equal(after([publish([3], 0)], other).state.digest, after([publish([3], 0)], machine).state.digest);
});

Deno.test("D8: an unknown digest stays unknown until limits are agreed upon, which counts all of the state", () => {
  const limits: Operation = { kind: "set limits", maxChannels: 7, channels: DEFAULT_LIMITS.channels };
  const known = after([connect, create, publish([10], 0)]);
  const unknown = new Machine(settings);
  unknown.restore(known.snapshot(), 0);
  unknown.state.digest = 0;
  assert.equal(after([publish([3], 0)], unknown).state.digest, 0);
  after([publish([3], 0), limits], known);
  assert.equal(after([limits], unknown).state.digest, known.state.digest);
  const other = after([connect, create, publish([10], 0), limits]);
  assert.notEqual(other.state.digest, known.state.digest);
});
