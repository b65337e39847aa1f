import assert from "node:assert/strict";
import fc from "fast-check";
import { hasWildcard, SubjectTree, validSubject } from "./subject_tree.ts";
import { Interest, RemoteInterest } from "./interest.ts";
import { matches } from "./subject_rules.ts";
import { SubjectCache } from "./subject_cache.ts";

class Wish extends Interest {
  constructor(subject: string, queue?: string) {
    super(subject, queue, false);
  }
}

function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Who is found, in a form that compares. */
function summary(match: ReturnType<SubjectTree<Wish, string>["match"]>) {
  const names = (interests: readonly Interest[]) => interests.map(({ subject }) => subject).sort();
  return {
    locals: names(match.locals),
    remotes: names(match.remotes),
    groups: match.groups.map(({ name, locals, remotes, remoteWeight }) => ({
      name,
      locals: names(locals),
      remotes: names(remotes),
      remoteWeight,
    })).sort((a, b) => a.name < b.name ? -1 : 1),
  };
}

Deno.test("SubjectTree matches literals, `*` for one token and `>` for the rest", () => {
  const tree = new SubjectTree<Wish, string>();
  for (const subject of ["a", "a.b", "a.*", "a.>", "*", ">", "*.b", "a.b.c", "a.*.c", "a.b*", "**"]) {
    tree.insert(new Wish(subject));
  }
  const found = (subject: string) => summary(tree.match(subject)).locals;
  assert.deepEqual(found("a"), ["*", ">", "a"]);
  assert.deepEqual(found("a.b"), ["*.b", ">", "a.*", "a.>", "a.b"]);
  assert.deepEqual(found("a.b.c"), [">", "a.*.c", "a.>", "a.b.c"]);
  assert.deepEqual(found("a.b*"), [">", "a.*", "a.>", "a.b*"]);
  assert.deepEqual(found("**"), ["*", "**", ">"]);
  for (const invalid of ["", ".a", "a.", "a..b", "."]) assert.deepEqual(found(invalid), [], invalid);
});

Deno.test("SubjectTree merges groups of one name over patterns and counts other servers by weight", () => {
  const tree = new SubjectTree<Wish, string>();
  tree.insert(new Wish("work", "q"));
  tree.insert(new Wish("*", "q"));
  tree.insert(new Wish(">", "other"));
  const remote = new RemoteInterest("route", "work", "q", 3);
  const gone = new RemoteInterest("route", "*", "q", 0);
  tree.insertRemote(remote);
  tree.insertRemote(gone);
  tree.insertRemote(new RemoteInterest("route", ">", undefined, 1));
  assert.deepEqual(summary(tree.match("work")), {
    locals: [],
    remotes: [">"],
    groups: [
      { name: "other", locals: [">"], remotes: [], remoteWeight: 0 },
      { name: "q", locals: ["*", "work"], remotes: ["work"], remoteWeight: 3 },
    ],
  });
  const before = tree.version(tree.slotOf("work"));
  tree.setWeight(remote, 5);
  assert.notEqual(tree.version(tree.slotOf("work")), before);
  assert.equal(tree.match("work").groups.find(({ name }) => name === "q")!.remoteWeight, 5);
  assert.deepEqual([tree.localCount, tree.remoteCount], [3, 3]);
  const places = [...tree.localPlaces()].map(({ subject, queue, count }) => `${subject} ${queue} ${count}`);
  assert.deepEqual(places.sort(), ["* q 1", "> other 1", "work q 1"]);
});

Deno.test("subjects: which are valid, and which are patterns", () => {
  for (const good of ["a", "a.b", "*", ">", "a.*", "a.>", "a.>b", "**", "a.b*.c"]) assert.ok(validSubject(good), good);
  for (const bad of ["", ".", "a..b", ".a", "a.", ">.a", "a.>.b"]) assert.equal(validSubject(bad), false, bad);
  for (const pattern of ["*", ">", "a.*", "a.>", "*.a", "a.*.b"]) assert.ok(hasWildcard(pattern), pattern);
  for (const literal of ["a", "a*", "**", "a.>b", "a.b>"]) assert.equal(hasWildcard(literal), false, literal);
});

const token = fc.constantFrom("a", "b", "c", "*", ">");
const subject = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join(".")).filter(validSubject);
const literal = fc.array(fc.constantFrom("a", "b", "c", "*"), { minLength: 1, maxLength: 5 }).map((t) => t.join("."));

Deno.test("SubjectTree and its cache find what a plain list finds, while interests come and go", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("add" as const), subject, queue: fc.constantFrom(undefined, "q", "r") }),
    fc.record({ kind: fc.constant("remove" as const), index: fc.nat(100) }),
    fc.record({ kind: fc.constant("publish" as const), subject: literal }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const tree = new SubjectTree<Wish, string>();
      const cache = new SubjectCache(tree);
      const model: Wish[] = [];
      for (const one of steps) {
        if (one.kind === "add") {
          const wish = new Wish(one.subject, one.queue);
          model.push(wish);
          tree.insert(wish);
        } else if (one.kind === "remove" && model.length > 0) {
          tree.remove(model.splice(one.index % model.length, 1)[0]!);
        } else if (one.kind === "publish") {
          const found = cache.find(bytes(one.subject), 0, one.subject.length);
          const expected = model.filter((wish) => matches(wish.subject, one.subject));
          const all = [...found.locals, ...found.groups.flatMap(({ locals }) => locals)];
          assert.deepEqual(new Set(all), new Set(expected), one.subject);
          assert.equal(all.length, expected.length);
          assert.ok(found.locals.every((wish) => wish.queue === undefined));
          assert.ok(found.groups.every((group) => group.locals.every((wish) => wish.queue === group.name)));
        }
      }
      for (const wish of model) tree.remove(wish);
      assert.deepEqual([tree.localCount, summary(tree.match("a.b")).locals], [0, []]);
      let left = 0;
      tree.forEach(() => left++);
      assert.equal(left, 0);
    }),
    { numRuns: 500 },
  );
});

Deno.test("SubjectCache stays bounded over a hundred thousand subjects used twice, and keeps the hot one", () => {
  const tree = new SubjectTree<Wish, string>();
  tree.insert(new Wish("many.>"));
  const cache = new SubjectCache(tree);
  const hot = bytes("many.hot");
  for (let i = 0; i < 200_000; i++) {
    const key = bytes(`many.${i >> 1}`);
    assert.equal(cache.find(key, 0, key.length).locals.length, 1);
    if (i % 1_000 === 0) cache.find(hot, 0, hot.length);
  }
  assert.ok(cache.size <= 4_096, `${cache.size} entries`);
  const walks = tree.matchCount;
  cache.find(hot, 0, hot.length);
  assert.equal(tree.matchCount, walks);
});

Deno.test("SubjectTree removes 50,000 interests on one subject without quadratic work", () => {
  const tree = new SubjectTree<Wish, string>();
  const wishes = Array.from({ length: 50_000 }, () => new Wish("same"));
  for (const wish of wishes) tree.insert(wish);
  const begun = performance.now();
  for (const wish of wishes) tree.remove(wish);
  assert.ok(performance.now() - begun < 1_000);
  assert.equal(tree.localCount, 0);
});

Deno.test("SubjectTree: the cost of a publish does not grow with unrelated subscriptions", () => {
  const costs: number[] = [];
  for (const unrelated of [10, 10_000, 100_000]) {
    const tree = new SubjectTree<Wish, string>();
    tree.insert(new Wish("_STAN.pub.cluster.>"));
    for (let i = 0; i < unrelated; i++) tree.insert(new Wish(`_INBOX.${i}.${i % 7}`));
    let best = Infinity;
    for (let round = 0; round < 5; round++) {
      const begun = performance.now();
      for (let i = 0; i < 20_000; i++) assert.ok(tree.match(`_STAN.pub.cluster.foo${i % 100}`).locals.length === 1);
      best = Math.min(best, performance.now() - begun);
    }
    costs.push(best);
  }
  assert.ok(costs[2]! < 5 * costs[0]! + 5, `20,000 matches took ${costs.map((cost) => cost.toFixed(1)).join(", ")} ms`);
});
