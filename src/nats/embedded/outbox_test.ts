import assert from "node:assert/strict";
import fc from "fast-check";
import { type Connection, NetworkFailed } from "../../ports/network.ts";
import { LARGE_SLAB, Slabs, SMALL_SLAB } from "./slabs.ts";
import { Outbox } from "./outbox.ts";
import { VirtualClock } from "../../../tests/support/virtual_clock.ts";

/** A connection whose writes finish when the test says so. */
class SlowConnection implements Connection {
  readonly local = { host: "a", port: 1 };
  readonly remote = { host: "b", port: 2 };
  readonly written: number[] = [];
  readonly sizes: number[] = [];
  #finish: ((error?: Error) => void) | undefined;

  get writing(): boolean {
    return this.#finish !== undefined;
  }
  read(): Promise<number> {
    return new Promise(() => {});
  }
  write(bytes: Uint8Array): Promise<void> {
    assert.equal(this.writing, false, "two writes at once");
    this.sizes.push(bytes.length);
    return new Promise((resolve, reject) => {
      this.#finish = (error) => {
        this.#finish = undefined;
        // The bytes are looked at only now: nobody may have touched them meanwhile.
        for (const byte of bytes) this.written.push(byte);
        if (error === undefined) resolve();
        else reject(error);
      };
    });
  }
  async finish(error?: Error): Promise<void> {
    this.#finish!(error);
    await new Promise((resolve) => setImmediate(resolve));
  }
  close(): void {}
}

function setUp(failed: (error: unknown) => void = () => assert.fail("no write fails here")) {
  const connection = new SlowConnection();
  const slabs = new Slabs();
  const outbox = new Outbox(connection, slabs, new VirtualClock(), { writeFailed: failed });
  return { connection, outbox, slabs };
}

Deno.test("Outbox sends what came before a flush at once, and what comes during a write after it", async () => {
  const { connection, outbox } = setUp();
  outbox.flush();
  assert.equal(connection.writing, false);
  outbox.write(Uint8Array.of(1, 2));
  outbox.write(Uint8Array.of(3));
  outbox.flush();
  outbox.write(Uint8Array.of(4));
  outbox.flush();
  outbox.write(Uint8Array.of(5));
  assert.deepEqual([connection.sizes, outbox.pending], [[3], 5]);
  await connection.finish();
  assert.deepEqual([connection.sizes, outbox.pending], [[3, 2], 2]);
  await connection.finish();
  assert.deepEqual([connection.written, outbox.pending], [[1, 2, 3, 4, 5], 0]);
  assert.equal(outbox.writingSince, 0);
});

Deno.test("Outbox keeps every byte in order, whatever the sizes", async () => {
  const step = fc.oneof(
    fc.record({ size: fc.oneof(fc.nat(50), fc.nat(9_000), fc.constant(LARGE_SLAB), fc.constant(3 * LARGE_SLAB)) }),
    fc.constant("flush" as const),
    fc.constant("finish" as const),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const { connection, outbox } = setUp();
      const expected: number[] = [];
      for (const one of steps) {
        if (one === "flush") outbox.flush();
        else if (one === "finish") {
          if (connection.writing) await connection.finish();
        } else {
          const bytes = Uint8Array.from({ length: one.size }, (_, i) => (expected.length + i * 7) & 255);
          for (const byte of bytes) expected.push(byte);
          outbox.write(bytes);
        }
        assert.equal(outbox.pending, expected.length - connection.written.length);
      }
      outbox.flush();
      while (connection.writing) await connection.finish();
      assert.ok(Buffer.from(connection.written).equals(Buffer.from(expected)));
    }),
    { numRuns: 100 },
  );
});

Deno.test("Outbox holds a buffer only while there is output, a small one for a little", async () => {
  const { connection, outbox, slabs } = setUp();
  assert.equal(outbox.buffer.length, 0);
  outbox.write(Uint8Array.of(1));
  assert.equal(outbox.buffer.length, SMALL_SLAB);
  const small = outbox.buffer;
  outbox.write(new Uint8Array(SMALL_SLAB));
  assert.equal(outbox.buffer.length, LARGE_SLAB);
  outbox.flush();
  assert.equal(outbox.buffer.length, 0);
  await connection.finish();
  assert.equal(slabs.take(10), small);
});

Deno.test("Outbox.drained resolves when little enough is left, and at the latest when it closes", async () => {
  const { connection, outbox } = setUp();
  const woken: string[] = [];
  outbox.write(new Uint8Array(10));
  outbox.flush();
  outbox.write(new Uint8Array(10));
  void outbox.drained(15).then(() => woken.push("15"));
  void outbox.drained(5).then(() => woken.push("5"));
  await connection.finish();
  assert.deepEqual(woken, ["15"]);
  outbox.close();
  await outbox.drained(0);
  assert.deepEqual(woken, ["15", "5"]);
  assert.equal(outbox.pending, 0);
  await connection.finish();
  assert.equal(connection.sizes.length, 2);
});

Deno.test("Outbox tells its owner once when a write fails, unless it was closed already", async () => {
  const failures: unknown[] = [];
  const { connection, outbox } = setUp((error) => failures.push(error));
  outbox.write(Uint8Array.of(1));
  outbox.flush();
  await connection.finish(new NetworkFailed("EPIPE", "gone"));
  assert.equal(failures.length, 1);
  const second = setUp(() => assert.fail("it was closed"));
  second.outbox.write(Uint8Array.of(1));
  second.outbox.flush();
  second.outbox.close();
  await second.connection.finish(new NetworkFailed("EPIPE", "gone"));
});
