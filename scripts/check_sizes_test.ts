import assert from "node:assert/strict";
import plugin from "./check_sizes.ts";

function messages(path: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, path, source).map(({ message }) => message);
}

const lines = (count: number) => "a();\n".repeat(count);

Deno.test("sizes: a file may have 400 lines, a test 600", () => {
  assert.deepEqual(messages("src/a.ts", lines(400)), []);
  assert.deepEqual(messages("src/a.ts", lines(401)), [
    "src/a.ts has 401 lines; split it into files of at most 400",
  ]);
  assert.deepEqual(messages("src/a_test.ts", lines(600)), []);
  assert.equal(messages("src/a_test.ts", lines(601)).length, 1);
  assert.equal(messages("tests/scenarios/a.ts", lines(601)).length, 1);
});

const functions: readonly [name: string, make: (body: string) => string][] = [
  ["work", (body) => `function work() {\n${body}}`],
  ["work", (body) => `const work = () => {\n${body}};`],
  ["work", (body) => `class A { work() {\n${body}} }`],
  ["#work", (body) => `class A { #work() {\n${body}} }`],
  ["work", (body) => `const a = { work() {\n${body}} };`],
  ["a function without a name", (body) => `run(() => {\n${body}});`],
];
for (const [name, make] of functions) {
  Deno.test(`sizes: a function in the form ${make("").replaceAll("\n", " ")} may have 60 lines`, () => {
    assert.deepEqual(messages("src/a.ts", make(lines(58))), []);
    assert.deepEqual(messages("src/a.ts", make(lines(59))), [
      `src/a.ts: ${name} has 61 lines; take parts out until it has 60`,
    ]);
    assert.deepEqual(messages("src/a_test.ts", make(lines(59))), []);
  });
}
