/** The rows agree with one another and with the options that they feed. */
import assert from "node:assert/strict";
import { defaultOptions } from "./defaults.ts";
import { getField, type OptionRow, setField } from "./option_row.ts";
import { OPTION_ROWS, rowOfFlag, rowOfKey } from "./option_rows.ts";

Deno.test("no flag belongs to two rows, and no key of a group", () => {
  const seen = new Set<string>();
  for (const row of OPTION_ROWS) {
    const names = [
      ...(row.flags ?? []).map((flag) => `-${flag}`),
      ...(row.keys ?? []).map((key) => `${row.group} ${key}`),
    ];
    assert.ok(names.length > 0, row.help);
    for (const name of names) {
      assert.ok(!seen.has(name), name);
      seen.add(name);
    }
  }
});

Deno.test("a field is fed by one row, and every leaf of the options by some", () => {
  const fields = OPTION_ROWS.flatMap((row) => row.field === undefined ? [] : [row.field]);
  assert.equal(new Set(fields).size, fields.length);
  // Fed by special keys or by others.
  const others = [
    "nats.configFile",
    "nats.httpHost",
    "nats.httpBasePath",
    "nats.tls",
    "nats.nkeys",
    "nats.cluster.tls",
  ];
  const missing = leavesOf(defaultOptions(), "").filter((leaf) =>
    !fields.includes(leaf as never) && !others.includes(leaf)
  );
  assert.deepEqual(missing, []);
});

function leavesOf(value: object, path: string): string[] {
  return Object.entries(value).flatMap(([name, inner]) => {
    const here = path === "" ? name : `${path}.${name}`;
    return typeof inner === "object" && inner !== null && !Array.isArray(inner) ? leavesOf(inner, here) : [here];
  });
}

Deno.test("the kind of a row is that of its field's default", () => {
  const expected: Partial<Record<OptionRow["kind"], string>> = {
    string: "string",
    bool: "boolean",
    int: "number",
    size: "number",
    duration: "number",
    age: "bigint",
  };
  const unset = ["streaming.encryptionKey", "streaming.cluster.sync"];
  for (const { field, kind } of OPTION_ROWS) {
    const type = expected[kind];
    if (field === undefined || type === undefined || unset.includes(field)) continue;
    assert.equal(typeof getField(defaultOptions(), field), type, field);
  }
});

Deno.test("keys are lower case and found in any", () => {
  for (const row of OPTION_ROWS) for (const key of row.keys ?? []) assert.equal(key, key.toLowerCase());
  assert.equal(rowOfKey("streaming", "Cluster_ID")?.field, "streaming.clusterId");
  assert.equal(rowOfKey("streaming", "sd")?.field, "streaming.debug");
  assert.equal(rowOfFlag("sd")?.field, "nats.storeDir");
  assert.equal(rowOfFlag("SD")?.field, "streaming.debug");
});

Deno.test("a value that is set is there", () => {
  const options = defaultOptions();
  setField(options, "streaming.limits.maxAge", 5n);
  assert.equal(options.streaming.limits.maxAge, 5n);
  assert.equal(defaultOptions().streaming.limits.maxAge, 0n);
});
