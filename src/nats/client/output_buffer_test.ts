import assert from "node:assert/strict";
import { VirtualClock } from "../../../tests/support/virtual_clock.ts";
import type { Connection } from "../../ports/network.ts";
import { OutputBuffer } from "./output_buffer.ts";

/** A connection whose writes end when the test says so; it checks that no buffer changes meanwhile. */
class SlowConnection {
  readonly written: Uint8Array[] = [];
  #inFlight: { bytes: Uint8Array; copy: Uint8Array; end: PromiseWithResolvers<void> } | undefined;

  write(bytes: Uint8Array): Promise<void> {
    assert.equal(this.#inFlight, undefined, "a second write while one is in flight");
    this.#inFlight = { bytes, copy: bytes.slice(), end: Promise.withResolvers() };
    return this.#inFlight.end.promise;
  }

  get busy(): boolean {
    return this.#inFlight !== undefined;
  }

  async finish(error?: Error): Promise<void> {
    const { bytes, copy, end } = this.#inFlight!;
    assert.deepEqual(bytes, copy, "the buffer changed while its write was in flight");
    this.#inFlight = undefined;
    this.written.push(copy);
    if (error === undefined) end.resolve();
    else end.reject(error);
    for (let i = 0; i < 5; i++) await Promise.resolve();
  }

  async finishAll(): Promise<void> {
    while (this.busy) await this.finish();
  }

  get text(): string {
    return this.written.map((bytes) => new TextDecoder("latin1").decode(bytes)).join("");
  }
}

function setUp(limit = 64 * 1024 * 1024) {
  const clock = new VirtualClock();
  const connection = new SlowConnection();
  const failures: unknown[] = [];
  const output = new OutputBuffer(connection as unknown as Connection, clock, limit, (error) => failures.push(error));
  const put = (text: string) => {
    if (!output.reserve(text.length)) return false;
    for (let i = 0; i < text.length; i++) output.slab[output.at + i] = text.charCodeAt(i);
    output.advance(output.at + text.length);
    return true;
  };
  return { clock, connection, failures, output, put };
}

Deno.test("OutputBuffer writes a turn's frames with one write", async () => {
  const { clock, connection, output, put } = setUp();
  put("one ");
  put("two ");
  output.append(new TextEncoder().encode("three"));
  assert.equal(connection.busy, false);
  assert.equal(output.pending, 13);
  clock.runDue();
  await connection.finishAll();
  assert.deepEqual([connection.written.length, connection.text, output.pending], [1, "one two three", 0]);
});

Deno.test("OutputBuffer sends what is pushed before the turn ends, and nothing twice", async () => {
  const { clock, connection, output, put } = setUp();
  put("one ");
  output.push();
  assert.equal(connection.busy, true);
  put("two");
  output.push();
  clock.runDue();
  await connection.finishAll();
  assert.deepEqual([connection.text, output.pending], ["one two", 0]);
});

Deno.test("OutputBuffer gathers in another slab what comes during a write", async () => {
  const { clock, connection, put } = setUp();
  put("a");
  clock.runDue();
  put("b");
  clock.runDue();
  put("c");
  await connection.finish();
  await connection.finish();
  assert.equal(connection.busy, false);
  put("d");
  clock.runDue();
  await connection.finishAll();
  assert.deepEqual([connection.written.length, connection.text], [3, "abcd"]);
});

Deno.test("OutputBuffer starts early with a large burst and keeps the order over many slabs and sizes", async () => {
  const { clock, connection, put } = setUp();
  let wanted = "";
  for (let i = 0; i < 60; i++) {
    const frame = `${i}:${"x".repeat(i % 10 === 9 ? 400_000 : i * 997)};`;
    wanted += frame;
    assert.equal(put(frame), true);
  }
  assert.equal(connection.busy, true, "nothing was started before the turn's end");
  clock.runDue();
  await connection.finishAll();
  assert.equal(connection.text === wanted, true);
});

Deno.test("OutputBuffer refuses beyond its limit and takes again once something is sent", async () => {
  const { clock, connection, output, put } = setUp(1000);
  assert.equal(put("x".repeat(600)), true);
  assert.equal(put("y".repeat(401)), false);
  assert.equal(put("z".repeat(400)), true);
  assert.equal(put("!"), false);
  output.append(new TextEncoder().encode("control"));
  clock.runDue();
  assert.equal(put("?"), false, "what is in flight counts");
  await connection.finishAll();
  assert.equal(put("!"), true);
  clock.runDue();
  await connection.finishAll();
  assert.equal(connection.text, `${"x".repeat(600)}${"z".repeat(400)}control!`);
});

Deno.test("OutputBuffer tells when it is drained", async () => {
  const { clock, connection, output, put } = setUp();
  await output.drained();
  put("a");
  let drained = false;
  const waiting = output.drained().then(() => drained = true);
  clock.runDue();
  put("b");
  await connection.finish();
  assert.equal(drained, false);
  await connection.finish();
  await waiting;
});

Deno.test("OutputBuffer reports one failure, drops the rest, and takes no more", async () => {
  const { clock, connection, failures, output, put } = setUp();
  put("a");
  clock.runDue();
  put("b");
  const waiting = output.drained();
  const error = new Error("broken");
  await connection.finish(error);
  await waiting;
  assert.deepEqual(failures, [error]);
  assert.equal(put("c"), false);
  output.append(new Uint8Array(3));
  clock.runDue();
  assert.deepEqual([connection.busy, output.pending], [false, 0]);
});

Deno.test("OutputBuffer says nothing of a write that fails after close", async () => {
  const { clock, connection, failures, output, put } = setUp();
  put("a");
  clock.runDue();
  output.close();
  await connection.finish(new Error("late"));
  assert.deepEqual(failures, []);
});
