import assert from "node:assert/strict";
import plugin, { layerViolation } from "./check_layers.ts";

function messages(path: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, path, source).map(({ message }) => message);
}

const planted: readonly [importer: string, specifier: string, remedy: RegExp][] = [
  [
    "src/protocol/a.ts",
    "../ports/clock.ts",
    /must not import src\/ports\/clock\.ts; pass what it needs as an argument/,
  ],
  ["src/raft/core/a.ts", "../../protocol/units.ts", /must not import src\/protocol\/units\.ts; pass/],
  ["src/config/a.ts", "../protocol/units.ts", /must not import/],
  ["src/ports/a.ts", "../server/server.ts", /ports know words of the protocol only/],
  ["src/streaming/a.ts", "../ports/clock.ts", /return an effect/],
  ["src/store/a.ts", "../nats/mod.ts", /an interface in src\/ports/],
  ["src/store/file/a.ts", "../../system/files.ts", /an interface in src\/ports/],
  ["src/raft/journal.ts", "../store/mod.ts", /an interface in src\/ports/],
  ["src/server/a.ts", "../raft/journal.ts", /an interface in src\/ports/],
  ["src/registry.ts", "./server/server.ts", /a plugin brings/],
  ["src/plugins.ts", "./store/mod.ts", /import it in src\/plugins/],
  ["src/plugins/a.ts", "../server/server.ts", /plugins connect/],
  ["src/serve.ts", "./store/mod.ts", /through a plugin/],
  ["cli.ts", "./src/plugins.ts", /offer it in mod\.ts/],
  ["mod.ts", "./src/store/mod.ts", /through a plugin/],
  ["src/server/a.ts", "../../tests/support/virtual_clock.ts", /must not import tests/],
  ["src/elsewhere/a.ts", "./b.ts", /is in no layer/],
  ["src/store/file/a.ts", "node:fs", /only src\/system\/ touches the machine/],
  ["src/protocol/a.ts", "node:zlib", /a pure file imports no package/],
  ["src/nats/wire/a.ts", "@nats-io/nats-core", /a pure file imports no package/],
];
for (const [importer, specifier, remedy] of planted) {
  Deno.test(`${importer} must not import ${specifier}`, () => {
    assert.match(layerViolation(importer, specifier) ?? "allowed", remedy);
  });
}

const allowed: readonly [importer: string, specifier: string][] = [
  ["src/protocol/a.ts", "./b.ts"],
  ["src/ports/a.ts", "../protocol/units.ts"],
  ["src/streaming/a.ts", "../protocol/operations.ts"],
  ["src/store/file/a.ts", "../../ports/files.ts"],
  ["src/store/file/a.ts", "../retention.ts"],
  ["src/store/file/a.ts", "node:zlib"],
  ["src/raft/node.ts", "./core/raft.ts"],
  ["src/raft/node.ts", "./wal.ts"],
  ["src/protocol/a.ts", "node:buffer"],
  ["src/nats/client/a.ts", "@nats-io/nats-core"],
  ["src/system/a.ts", "node:fs"],
  ["src/server/a.ts", "../streaming/machine.ts"],
  ["src/plugins.ts", "./plugins/journals.ts"],
  ["src/plugins/journals.ts", "../server/solo_journal.ts"],
  ["src/plugins/journals.ts", "../raft/journal.ts"],
  ["cli.ts", "./mod.ts"],
  ["src/server/a_test.ts", "../raft/journal.ts"],
  ["tests/scenarios/a.ts", "../../src/store/mod.ts"],
];
for (const [importer, specifier] of allowed) {
  Deno.test(`${importer} may import ${specifier}`, () => {
    assert.equal(layerViolation(importer, specifier), undefined);
  });
}

Deno.test("every form of import is seen, with its place", () => {
  const forms = [
    `import { a } from "../nats/mod.ts";`,
    `import "../nats/mod.ts";`,
    `import type { a } from "../nats/mod.ts";`,
    `export { a } from "../nats/mod.ts";`,
    `export * from "../nats/mod.ts";`,
    `const a = await import("../nats/mod.ts");`,
  ];
  for (const form of forms) assert.equal(messages("src/store/a.ts", form).length, 1, form);
  assert.deepEqual(
    messages("src/store/a.ts", `// import "../nats/mod.ts";\nconst text = 'from "../nats/mod.ts"';`),
    [],
  );
});
