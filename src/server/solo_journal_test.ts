import assert from "node:assert/strict";
import { NotAgreed, type Replica } from "../ports/journal.ts";
import { StoreFailed } from "../ports/store.ts";
import type { Operation } from "../protocol/operations.ts";
import type { Outcome } from "../protocol/outcomes.ts";
import type { Awaitable } from "../protocol/units.ts";
import { SoloJournal } from "./solo_journal.ts";

/** A replica that notes what it is told, and applies as the test says. */
class Noting {
  readonly told: string[] = [];
  /** What the next calls of apply answer; done at once when there is none. */
  readonly answers: (() => Awaitable<readonly Outcome[]>)[] = [];

  apply(operations: readonly Operation[], index: number): Awaitable<readonly Outcome[]> {
    this.told.push(`${index}: ${operations.map((each) => each.kind).join()}`);
    return this.answers.shift()?.() ?? operations.map((): Outcome => ({ kind: "done" }));
  }

  lead(): void {
    this.told.push("lead");
  }

  follow(): void {
    this.told.push("follow");
  }
}

const create: Operation = { kind: "create channel", channel: "foo" };
const leave: Operation = { kind: "disconnect", clientId: "me" };

async function started(replica: Noting, fatal: StoreFailed[] = []): Promise<SoloJournal> {
  const journal = new SoloJournal({ firstIndex: 100, onFatal: (failure) => fatal.push(failure) });
  assert.equal(journal.mayServe, false);
  await journal.start(replica as unknown as Replica);
  return journal;
}

Deno.test("it leads from the start and applies at once, under indexes that grow", async () => {
  const replica = new Noting();
  const journal = await started(replica);
  assert.deepEqual([journal.role, journal.mayServe], ["Leader", true]);
  assert.deepEqual(journal.commit([create, leave]), [{ kind: "done" }, { kind: "done" }]);
  journal.commit([leave]);
  assert.deepEqual(replica.told, ["lead", "100: create channel,disconnect", "101: disconnect"]);
});

Deno.test("batches that take time are applied one after the other", async () => {
  const replica = new Noting();
  const journal = await started(replica);
  const first = Promise.withResolvers<readonly Outcome[]>();
  replica.answers.push(() => first.promise);
  const answers = [journal.commit([create]), journal.commit([leave]), journal.commit([create])];
  await Promise.resolve();
  assert.deepEqual(replica.told, ["lead", "100: create channel"]);
  first.resolve([{ kind: "channel created", incarnation: 100 }]);
  assert.deepEqual(await Promise.all(answers), [
    [{ kind: "channel created", incarnation: 100 }],
    [{ kind: "done" }],
    [{ kind: "done" }],
  ]);
  assert.deepEqual(replica.told.slice(1), ["100: create channel", "101: disconnect", "102: create channel"]);
  assert.deepEqual(journal.commit([leave]), [{ kind: "done" }], "afterwards at once again");
});

Deno.test("a full store refuses its batch and the next one goes on", async () => {
  const replica = new Noting();
  const fatal: StoreFailed[] = [];
  const journal = await started(replica, fatal);
  const full = new StoreFailed("full", "no room");
  replica.answers.push(() => {
    throw full;
  }, () => Promise.reject(full));
  const refusal = { name: "NotAgreed", code: "store", message: "no room", cause: full };
  assert.throws(() => journal.commit([create]), refusal);
  const later = journal.commit([create]);
  const next = journal.commit([leave]);
  await assert.rejects(later as Promise<unknown>, refusal);
  assert.deepEqual(await next, [{ kind: "done" }]);
  assert.deepEqual(fatal, []);
});

Deno.test("a failing disk refuses the batch and is told", async () => {
  for (const code of ["io", "corrupt"] as const) {
    const replica = new Noting();
    const fatal: StoreFailed[] = [];
    const journal = await started(replica, fatal);
    const failure = new StoreFailed(code, "broken");
    replica.answers.push(() => Promise.reject(failure));
    await assert.rejects(journal.commit([create]) as Promise<unknown>, { name: "NotAgreed", code: "store" });
    assert.deepEqual(fatal, [failure]);
  }
});

Deno.test("what is no failure of the store is thrown on as it is", async () => {
  const replica = new Noting();
  const fatal: StoreFailed[] = [];
  const journal = await started(replica, fatal);
  const bug = new TypeError("a bug");
  replica.answers.push(() => {
    throw bug;
  });
  assert.throws(() => journal.commit([create]), bug);
  assert.deepEqual(fatal, []);
});

Deno.test("stopping lets what is under way finish, refuses the rest and then follows", async () => {
  const replica = new Noting();
  const journal = await started(replica);
  const slow = Promise.withResolvers<readonly Outcome[]>();
  replica.answers.push(() => slow.promise);
  const underWay = journal.commit([create]);
  const queued = journal.commit([leave]) as Promise<unknown>;
  const queuedFails = assert.rejects(queued, { name: "NotAgreed", code: "stopped" });
  const stopped = journal.stop();
  assert.deepEqual([journal.role, journal.mayServe], ["Shutdown", false]);
  slow.resolve([{ kind: "done" }]);
  assert.deepEqual(await underWay, [{ kind: "done" }]);
  await queuedFails;
  await stopped;
  assert.equal(replica.told.at(-1), "follow");
  assert.throws(() => journal.commit([leave]), NotAgreed);
});
