/** Messages that other nodes hold: what has expired there is told from what is lost (spec clustering, sections 6.3 and 6.4). */
import assert from "node:assert/strict";
import { VirtualClock } from "../../../tests/support/virtual_clock.ts";
import { MemoryFiles } from "../../../tests/support/memory_files.ts";
import { silentLog } from "../../ports/log.ts";
import { Backfill, type BackfillParts } from "./backfill.ts";
import { BulkAnswer, decodeRequest } from "./bulk_format.ts";

const B = { id: "b", incarnation: "", voter: true };

/** The messages that one other node holds, by sequence; it evicts while it is read. */
class Holder {
  readonly held: number[];
  /** Before the request of this number it evicts up to that message. */
  readonly evicts = new Map<number, number>();
  #requests = 0;
  readonly told: string[] = [];

  constructor(from: number, to: number, readonly lost: readonly number[] = []) {
    this.held = Array.from({ length: to - from + 1 }, (_, i) => from + i).filter((each) => !lost.includes(each));
  }

  get last(): number {
    return this.held.at(-1)!;
  }

  ask(_id: string, bytes: Uint8Array): Promise<unknown> {
    const { request } = decodeRequest(bytes);
    const evicted = this.evicts.get(++this.#requests) ?? 0;
    while (this.held[0]! <= evicted) this.held.shift();
    const answer = new BulkAnswer("ok");
    if (request.what === "holding") {
      answer.writer.number(this.held[0]!);
      answer.writer.number(this.last);
    } else if (request.what === "messages") {
      // Three at a time.
      const found = this.held.filter((each) => each >= request.from && each <= request.to).slice(0, 3);
      const isLast = found.length === 0 || found.at(-1) === Math.min(request.to, this.last);
      answer.writer.number(isLast ? request.to + 1 : found.at(-1)! + 1);
      for (const sequence of found) {
        answer.writer.number(sequence);
        answer.writer.block(Uint8Array.of(sequence));
      }
    }
    return Promise.resolve({ kind: "reply", payload: answer.take() });
  }

  /** `other`: node b, where there is one. */
  async fetch(from: number, to: number, other?: Holder): Promise<string> {
    const backfill = new Backfill({
      transport: {
        ask: (id: string, bytes: Uint8Array) => (id === "b" ? other! : this).ask(id, bytes),
      } as unknown as BackfillParts["transport"],
      snapshots: { files: new MemoryFiles(), directory: "/snapshots" },
      replica: { readMessages: () => assert.fail("it reads its own") },
      ...{ clock: new VirtualClock(), log: silentLog, clusterId: "test", nodeId: "c", proceedOnFailure: false },
      ...{ leader: () => "a", identity: () => "x", stopped: () => false },
      membership: () => ({ index: 0, membership: { members: other === undefined ? [] : [B] } }),
      lost: (text) => this.told.push(text.replace(/^.*no node holds messages (\d+ to \d+) any more$/, "lost $1")),
    });
    await backfill.fetch("foo", 1, from, to, {
      take: (sequence) => this.told.push(`${sequence}`),
      expired: (before) => this.told.push(`expired before ${before}`),
    });
    return this.told.join(", ");
  }
}

Deno.test("all that is asked for is handed out in order", async () => {
  assert.equal(await new Holder(1, 9).fetch(3, 9), "3, 4, 5, 6, 7, 8, 9");
});

Deno.test("what has expired elsewhere is told before anything is handed out", async () => {
  assert.equal(await new Holder(6, 9).fetch(3, 9), "expired before 6, 6, 7, 8, 9");
  assert.equal(await new Holder(10, 12).fetch(3, 9), "expired before 10");
});

Deno.test("what expires while it is read is told before anything newer is handed out", async () => {
  const holder = new Holder(1, 12);
  // The third request is for the second piece.
  holder.evicts.set(3, 9);
  assert.equal(await holder.fetch(3, 12), "3, 4, 5, expired before 10, 10, 11, 12");
});

Deno.test("what expires while it is read, on one node after the other, is not taken for lost", async () => {
  const [a, b] = [new Holder(1, 12), new Holder(1, 12)];
  a.evicts.set(2, 9);
  b.evicts.set(3, 9);
  assert.equal(await a.fetch(3, 12, b), "expired before 10, 10, 11, 12");
});

Deno.test("what a node that is up to date has lost is left out, and named", async () => {
  assert.equal(await new Holder(1, 9, [5, 6]).fetch(3, 9), "3, 4, lost 5 to 6, 7, 8, 9");
  assert.equal(await new Holder(1, 9, [3, 7]).fetch(3, 9), "lost 3 to 3, 4, 5, 6, lost 7 to 7, 8, 9");
});

Deno.test("what nobody has come to is lost", async () => {
  assert.equal(await new Holder(1, 6).fetch(3, 9), "3, 4, 5, 6, lost 7 to 9");
});
