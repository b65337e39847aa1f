/**
 * What a publish costs in the subject tree with 10, 10 thousand and a million unrelated subscriptions.
 *
 *     deno run -A tests/bench/subject_tree_bench.ts
 */
import { Interest } from "../../src/nats/embedded/subjects/interest.ts";
import { SubjectCache } from "../../src/nats/embedded/subjects/subject_cache.ts";
import { SubjectTree } from "../../src/nats/embedded/subjects/subject_tree.ts";

class Wish extends Interest {
  constructor(subject: string) {
    super(subject, undefined, false);
  }
}

const rounds = 200_000;

/** Best of five, nanoseconds an operation. */
function cost(operation: (i: number) => void): string {
  let best = Infinity;
  for (let trial = 0; trial < 5; trial++) {
    const begun = performance.now();
    for (let i = 0; i < rounds; i++) operation(i);
    best = Math.min(best, performance.now() - begun);
  }
  return `${(best * 1e6 / rounds).toFixed(0)} ns`.padStart(9);
}

console.log("subscriptions   cached     walk  add+remove   heap per subscription");
for (const unrelated of [10, 10_000, 1_000_000]) {
  const heap = Deno.memoryUsage().heapUsed;
  const tree = new SubjectTree<Wish, never>();
  const cache = new SubjectCache(tree);
  tree.insert(new Wish("_STAN.pub.cluster.>"));
  for (let i = 0; i < unrelated; i++) tree.insert(new Wish(`_INBOX.${i}.${i % 7}`));
  const each = (Deno.memoryUsage().heapUsed - heap) / unrelated;
  const bytes = new TextEncoder().encode("_STAN.pub.cluster.foo");
  const subjects = Array.from({ length: 1_000 }, (_, i) => `_STAN.pub.cluster.foo${i}`);
  const cached = cost(() => cache.find(bytes, 0, bytes.length));
  const walk = cost((i) => tree.match(subjects[i % 1_000]!));
  const churn = cost((i) => {
    const wish = new Wish(`_INBOX.new.${i}`);
    tree.insert(wish);
    tree.remove(wish);
  });
  console.log(
    `${String(unrelated).padStart(13)}${cached}${walk}  ${churn}   ${
      unrelated < 1_000 ? "" : `${each.toFixed(0)} bytes`
    }`,
  );
}
