import assert from "node:assert/strict";
import { MemoryFiles } from "../../../tests/support/memory_files.ts";
import type { Unsynced } from "../../../tests/support/memory_disk.ts";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import { Wal, type WalEntry, type WalOptions } from "./wal.ts";
import { FileFailed } from "../../ports/files.ts";
import { RECORD_HEADER, recordSize, SEGMENT_HEADER } from "./wal_format.ts";

const options: WalOptions = { identity: new Uint8Array(16) };

function entry(index: number, term: number, text = `entry ${index} of term ${term}`): WalEntry {
  return { index, term, kind: index % 5, payload: new TextEncoder().encode(text) };
}

function open(files: MemoryFiles, more: Partial<WalOptions> = {}): Wal {
  return new Wal(files, "/raft/log", { ...options, ...more });
}

function texts(wal: Wal): string[] {
  if (wal.lastIndex === wal.baseIndex) return [];
  return wal.read(wal.baseIndex + 1, wal.lastIndex + 1, 1e9)
    .map((e) => `${e.index}/${e.term}/${e.kind} ${new TextDecoder().decode(e.payload)}`);
}

Deno.test("the log gives back what was appended, also after it was closed", () => {
  const files = new MemoryFiles();
  const wal = open(files);
  wal.append([entry(1, 1), entry(2, 1)]);
  wal.append([entry(3, 2, ""), entry(4, 2, "x".repeat(100_000))]);
  wal.syncNow();
  wal.mark(3);
  const before = texts(wal);
  wal.close();
  const again = open(files, { cacheEntries: 0 });
  assert.equal(again.damage, undefined);
  assert.deepEqual(texts(again), before);
  assert.equal(again.commitHint, 3);
  assert.equal(again.term(3), 2);
  assert.equal(again.term(5), undefined);
});

Deno.test("an entry that comes again replaces everything from there on", () => {
  const files = new MemoryFiles();
  const wal = open(files);
  wal.append([entry(1, 1), entry(2, 1), entry(3, 1), entry(4, 1)]);
  wal.append([entry(3, 2)]);
  wal.syncNow();
  assert.equal(wal.lastIndex, 3);
  wal.close();
  assert.deepEqual(texts(open(files)), [
    "1/1/1 entry 1 of term 1",
    "2/1/2 entry 2 of term 1",
    "3/2/3 entry 3 of term 2",
  ]);
});

Deno.test("cutting removes whole segments and keeps the term at the base", () => {
  const files = new MemoryFiles();
  const wal = open(files, { segmentBytes: 1000 });
  for (let i = 1; i <= 100; i++) wal.append([entry(i, 1 + Math.floor(i / 40))]);
  const segments = files.list("/raft/log").length;
  wal.cut(80);
  while (wal.tidy());
  assert.ok(files.list("/raft/log").length < segments / 2, "old segments are gone");
  assert.equal(wal.baseIndex, 80);
  assert.equal(wal.term(80), 3);
  assert.equal(wal.term(79), undefined);
  const before = texts(wal);
  wal.close();
  const again = open(files, { segmentBytes: 1000 });
  assert.equal(again.baseIndex, 80);
  assert.equal(again.baseTerm, 3);
  assert.deepEqual(texts(again), before);
  assert.throws(() => again.append([entry(80, 3)]), RangeError);
});

Deno.test("a restart behind a snapshot drops all entries, durably", () => {
  const files = new MemoryFiles();
  const wal = open(files);
  wal.append([entry(1, 1), entry(2, 1), entry(3, 1)]);
  wal.restart(500, 7);
  wal.append([entry(501, 7)]);
  wal.syncNow();
  const again = open(files.afterCrash(() => 0));
  assert.equal(again.baseIndex, 500);
  assert.equal(again.baseTerm, 7);
  assert.deepEqual(texts(again), ["501/7/1 entry 501 of term 7"]);
});

Deno.test("TS95: a torn tail is cut; what was synced is there, whatever part of the rest was lost", () => {
  for (let seed = 1; seed <= 500; seed++) {
    const random = new SeededRandom(seed);
    const files = new MemoryFiles();
    const wal = open(files, { segmentBytes: 2000, cacheEntries: random.below(8) });
    const model: string[] = [];
    let durable = 0;
    let next = 1;
    let term = 1;
    for (let step = random.between(1, 30); step > 0; step--) {
      const what = random.below(10);
      if (what < 6) {
        if (random.chance(0.2) && next > durable + 1) next = random.between(durable + 1, next - 1), term++;
        const batch: WalEntry[] = [];
        for (let n = random.between(1, 5); n > 0; n--) batch.push(entry(next++, term, "y".repeat(random.below(200))));
        wal.append(batch);
        model.length = batch[0]!.index - 1;
        for (const e of batch) model.push(`${e.index}/${e.term}/${e.kind} ${new TextDecoder().decode(e.payload)}`);
      } else if (what < 8) {
        wal.syncNow();
        durable = next - 1;
      } else if (random.chance(0.3) && durable > wal.baseIndex) {
        wal.cut(random.between(wal.baseIndex + 1, durable));
        if (random.chance(0.5)) wal.tidy();
        durable = Math.max(durable, next - 1);
      } else wal.mark(Math.min(durable, wal.commitHint + 1));
    }
    const left = files.afterCrash((change) => {
      if (change.kind === "write") {
        return random.chance(0.5)
          ? change.bytes.length
          : random.chance(0.5)
          ? 0
          : random.below(change.bytes.length + 1);
      }
      return random.below(2);
    });
    const again = open(left, { segmentBytes: 2000 });
    assert.equal(again.damage, undefined, `seed ${seed}: ${JSON.stringify(again.damage)}`);
    const found = texts(again);
    const base = wal.baseIndex;
    assert.equal(again.baseIndex, base, `seed ${seed}`);
    assert.equal(again.baseTerm, wal.baseTerm, `seed ${seed}`);
    assert.ok(again.lastIndex >= durable, `seed ${seed}: ${again.lastIndex} of ${durable} that were synced`);
    assert.deepEqual(found.slice(0, durable - base), model.slice(base, durable), `seed ${seed}`);
    again.append([entry(again.lastIndex + 1, 99)]);
    again.syncNow();
    assert.equal(open(left).lastTerm, 99, `seed ${seed}`);
  }
});

Deno.test("TS95: a flipped bit below what was synced is damage, not a tail to be cut", () => {
  const files = new MemoryFiles();
  const wal = open(files);
  for (let i = 1; i <= 20; i++) {
    wal.append([entry(i, 1)]);
    wal.syncNow();
  }
  wal.close();
  const path = "/raft/log/00000001.wal";
  const file = files.open(path, { mode: "existing" });
  const size = file.size();
  const byte = new Uint8Array(1);
  for (let at = 0; at < size - 40; at += 7) {
    file.readAt(byte, at);
    const good = byte[0]!;
    file.writeAt(Uint8Array.of(good ^ 0x10), at);
    const damaged = open(files);
    const harmless = damaged.damage === undefined && damaged.lastIndex === 20;
    assert.ok(damaged.damage !== undefined || harmless, `byte ${at} flipped, and the log ends at ${damaged.lastIndex}`);
    damaged.close();
    assert.equal(file.size(), size, "nothing was cut");
    file.writeAt(Uint8Array.of(good), at);
  }
});

Deno.test("a full disk refuses the whole batch, and the log goes on when there is room", () => {
  const files = new MemoryFiles();
  const wal = open(files);
  wal.append([entry(1, 1)]);
  files.onCall = (call) => call.kind === "write" ? { code: "full", written: 50 } : undefined;
  assert.throws(() => wal.append([entry(2, 1), entry(3, 1)]), (e) => e instanceof FileFailed && e.code === "full");
  assert.equal(wal.lastIndex, 1);
  files.onCall = undefined;
  wal.append([entry(2, 1)]);
  wal.syncNow();
  wal.close();
  assert.equal(open(files).lastIndex, 2);
});

Deno.test("TS94: after a failed sync the log promises nothing any more", async () => {
  const files = new MemoryFiles();
  const wal = open(files);
  wal.append([entry(1, 1)]);
  files.onCall = (call) => call.kind === "sync" ? { code: "other" } : undefined;
  await assert.rejects(wal.sync());
  files.onCall = undefined;
  assert.throws(() => wal.append([entry(2, 1)]));
  assert.throws(() => wal.syncNow());
});

Deno.test("an encrypted log holds no plaintext", () => {
  const files = new MemoryFiles();
  const flip = (bytes: Uint8Array) => bytes.map((byte) => byte ^ 0x5a);
  const wal = open(files, { seal: { seal: flip, open: flip } });
  wal.append([entry(1, 1, "a secret that nobody may read")]);
  wal.syncNow();
  wal.close();
  const file = files.open("/raft/log/00000001.wal", { mode: "read" });
  const bytes = new Uint8Array(file.size());
  file.readAt(bytes, 0);
  assert.ok(!new TextDecoder().decode(bytes).includes("secret"));
  assert.deepEqual(texts(open(files, { seal: { seal: flip, open: flip }, cacheEntries: 0 })), [
    "1/1/1 a secret that nobody may read",
  ]);
});

Deno.test("an entry that rots after the log was opened is not handed out", () => {
  const files = new MemoryFiles();
  const wal = open(files, { cacheEntries: 0 });
  wal.append([entry(1, 1), entry(2, 1), entry(3, 1)]);
  wal.syncNow();
  files.rot("/raft/log/00000001.wal", SEGMENT_HEADER + 2 * recordSize(entry(1, 1).payload.length) + RECORD_HEADER);
  assert.equal(wal.read(1, 3, 1e9).length, 2);
  for (const from of [1, 3]) {
    assert.throws(
      () => wal.read(from, 4, 1e9),
      (error) => error instanceof FileFailed && /entry 3 .* damaged/.test(error.message),
    );
  }
});

Deno.test("entries that stand close together come with one read, whatever was noted or replaced between them", () => {
  const files = new MemoryFiles();
  const wal = open(files, { cacheEntries: 0 });
  wal.append([entry(1, 1), entry(2, 1), entry(3, 1)]);
  wal.syncNow();
  wal.mark(1);
  wal.append([entry(3, 2), entry(4, 2, "")]);
  let reads = 0;
  files.failsRead = () => {
    reads++;
    return false;
  };
  const text = ({ index, term, payload }: WalEntry) => `${index}/${term} ${new TextDecoder().decode(payload)}`;
  assert.deepEqual(wal.read(1, 5, 1e9).map(text), [
    "1/1 entry 1 of term 1",
    "2/1 entry 2 of term 1",
    "3/2 entry 3 of term 2",
    "4/2 ",
  ]);
  assert.equal(reads, 1);
  const { length } = entry(1, 1).payload;
  assert.equal(wal.read(1, 5, 2 * recordSize(length)).length, 2);
  assert.equal(wal.read(1, 5, 2 * recordSize(length) - 1).length, 1);
  wal.close();
  reads = 0;
  const cached = open(files, { cacheEntries: 2 });
  cached.append([entry(5, 2), entry(6, 2)]);
  reads = 0;
  assert.equal(cached.read(2, 7, 1e9).length, 5);
  assert.equal(reads, 1);
});

Deno.test("what is far from the rest, or in another file, is read by itself", () => {
  const files = new MemoryFiles();
  const wal = open(files, { cacheEntries: 0, segmentBytes: 300_000 });
  wal.append([entry(1, 1), entry(2, 1)]);
  wal.append([entry(2, 2, "x".repeat(100_000))]);
  wal.append([entry(2, 3, "y")]);
  for (let i = 3; i <= 12; i++) wal.append([entry(i, 3, String(i).repeat(40_000))]);
  const all = wal.read(1, 13, 1e9);
  assert.deepEqual(all.map(({ term }) => term), [1, ...Array(11).fill(3)]);
  const lengths = all.map(({ payload }) => payload.length);
  assert.deepEqual(lengths, [17, 1, ...Array(7).fill(40_000), ...Array(3).fill(80_000)]);
  const read = all.map(({ payload }) => payload.buffer.byteLength);
  assert.ok(read[0]! < 100 && read.every((bytes) => bytes <= 256 * 1024), `${read}`);
});

Deno.test("P6: what a full disk left behind does not come back behind a segment that is full", () => {
  const before = new MemoryFiles();
  const first = open(before);
  first.append([entry(1, 1), entry(2, 1)]);
  first.syncNow();
  first.close();
  const files = before.afterKill();
  const wal = open(files, { segmentBytes: 400 });
  files.capacity = files.used + 50;
  assert.throws(() => wal.append([entry(3, 1)]), FileFailed);
  files.capacity = Infinity;
  wal.append([entry(3, 1, "x".repeat(300))]);
  wal.syncNow();
  assert.equal(files.list("/raft/log").length, 2);
  const again = open(files.afterCrash(writesOnly));
  assert.equal(again.damage, undefined);
  assert.equal(again.lastIndex, 3);
});

Deno.test("P6: a segment that a full disk had no room for leaves the end of the one before as it was: maybe torn", () => {
  const files = new MemoryFiles();
  const wal = open(files, { segmentBytes: 200 });
  wal.append([entry(1, 1), entry(2, 1)]);
  wal.syncNow();
  files.capacity = files.used + 9;
  assert.throws(() => wal.append([entry(3, 1, "x".repeat(300))]), FileFailed);
  wal.mark(2);
  assert.equal(files.list("/raft/log").length, 1);
  const left = files.afterCrash(writesOnly);
  assert.equal(left.list("/raft/log").length, 2);
  const again = open(left);
  assert.equal(again.damage, undefined);
  assert.equal(again.lastIndex, 2);
});

/** Power fails: of what was not synced, writes and new files survive; what cut them off or removed them does not. */
function writesOnly(change: Unsynced): number {
  if (change.kind === "truncate") return 0;
  return change.kind === "entries" && change.edits.some(({ node }) => node === undefined) ? 0 : Infinity;
}
