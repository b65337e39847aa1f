import assert from "node:assert/strict";
import plugin from "./check_purity.ts";

function messages(path: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, path, source).map(({ message }) => message);
}

const machine = [
  "Deno.exit(1);",
  "process.exit(1);",
  "console.log(1);",
  "await fetch('x');",
  "new WebSocket('x');",
  "new Worker('x');",
  "performance.now();",
  "Date.now();",
  "new Date();",
  "Math.random();",
  "crypto.getRandomValues(x);",
  "setTimeout(x, 1);",
  "globalThis.setTimeout(x, 1);",
  "setInterval(x, 1);",
  "setImmediate(x);",
];
for (const source of machine) {
  Deno.test(`purity: ${source} is found in every folder but system`, () => {
    for (const path of ["src/streaming/a.ts", "src/server/a.ts", "src/store/file/a.ts", "cli.ts", "mod.ts"]) {
      assert.match(messages(path, source).join("\n"), /is not allowed in .*; use /, path);
    }
    assert.deepEqual(messages("src/system/a.ts", source), []);
    assert.deepEqual(messages("src/server/a_test.ts", source), []);
  });
}

const waiting = [
  "async function f() {}",
  "const f = async () => {};",
  "class A { async f() {} }",
  "await x;",
  "new Promise(x);",
  "Promise.resolve(1);",
  "queueMicrotask(f);",
  "crypto.createHash('x');",
];
for (const source of waiting) {
  Deno.test(`purity: ${source} is found in pure files only`, () => {
    for (const path of ["src/raft/core/a.ts", "src/nats/wire/a.ts", "src/config/a.ts", "src/store/file/record.ts"]) {
      assert.equal(messages(path, source).length, 1, path);
    }
    assert.deepEqual(messages("src/store/file/slice.ts", source), []);
  });
}

Deno.test("purity: words in comments, texts, types and property names are fine", () => {
  const source = `// Deno.exit, await
    const text = "Date.now() await";
    type Later = Promise<number>;
    const now = clock.now(), date = new Date(millis), x = object.performance, y = { console: 1 };`;
  assert.deepEqual(messages("src/streaming/a.ts", source), []);
});

Deno.test("purity: the message names the word and the remedy", () => {
  assert.deepEqual(messages("src/streaming/a.ts", "const x = Date.now();"), [
    "Date.now is not allowed in a pure file; use a Clock, or the `now` argument",
  ]);
});
