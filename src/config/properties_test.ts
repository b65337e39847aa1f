/** What holds for any text: only declared errors, positions inside the text, and values that survive being written. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { parseCommandLine } from "./command_line.ts";
import { ConfigError } from "./errors.ts";
import { parseFlagInteger } from "./flags.ts";
import { type ConfigIo, parseText } from "./parser.ts";
import { ConfigMap, type Node, type Value } from "./tree.ts";
import { durationText, parseDuration, parseInteger } from "./values.ts";

const io: ConfigIo = {
  read: () => {
    throw Object.assign(new Error("not there"), { code: "ENOENT" });
  },
  env: (name) => name === "SET" ? "[1 , {a: b}]" : undefined,
};

const seed = { seed: 20_251_122 };

/** Pieces that steer a text into the corners of the language. */
const piece = fc.constantFrom(
  ..."{}[]():=,;#/\\\"'$-.\n\r\t 0123456789abk\0é".split(""),
  "include ",
  "//",
  "10k",
  "10kb",
  "1.5",
  "2020-01-02T03:04:05Z",
  "$SET",
  "$2a$",
  "true",
  "\\x41",
  "key",
  "(\n",
  "\n)\n",
  "streaming {",
  "cluster {",
  "authorization {",
  "users: [",
  "日本",
);
const soup = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join(""));

Deno.test("any text parses or throws a ConfigError whose line is in the text", () => {
  fc.assert(
    fc.property(fc.oneof(soup, fc.string({ unit: "binary", maxLength: 80 })), (text) => {
      const lines = text.split("\n").length;
      try {
        for (const { at } of nodesOf(parseText(text, "f", io))) {
          assert.ok(at.line >= 1 && at.line <= lines);
          assert.ok(at.column >= 0 && at.column <= new TextEncoder().encode(text).length + 1);
        }
      } catch (error) {
        assert.ok(error instanceof ConfigError, String(error));
        const line = /^Parse error on line (\d+): /.exec(error.message)?.[1];
        assert.ok(line === undefined || (Number(line) >= 1 && Number(line) <= lines), error.message);
      }
    }),
    { ...seed, numRuns: 8_000 },
  );
});

function* nodesOf(value: Value): Generator<Node> {
  const inner = value instanceof ConfigMap ? [...value.entries.values()] : Array.isArray(value) ? value : [];
  for (const node of inner) {
    yield node;
    yield* nodesOf(node.value);
  }
}

Deno.test("a key is found at its position", () => {
  const key = fc.stringMatching(/^[a-z][a-z0-9_é]{0,8}$/).filter((name) => name !== "include");
  const gap = fc.constantFrom("\n", ", ", "; ", "\n  ", " # x\n", "\n\n", "\r\n");
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(key, gap), { selector: ([name]) => name, minLength: 1, maxLength: 8 }),
      (items) => {
        const text = items.map(([name, after]) => `${name}: é1${after}`).join("");
        for (const { key: name, at } of parseText(text, "f", io).entries.values()) {
          const line = new TextEncoder().encode(text.split("\n")[at.line - 1]);
          const column = at.line === 1 ? at.column : at.column - 1;
          assert.equal(
            new TextDecoder().decode(line.subarray(column)).startsWith(`${name}: `),
            true,
            `${name} ${text}`,
          );
        }
      },
    ),
    { ...seed, numRuns: 2_000 },
  );
});

const scalar = fc.oneof(
  fc.boolean(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.string({ unit: "grapheme", maxLength: 12 }),
);
const tree = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    scalar,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(
      fc.string({ unit: "grapheme", minLength: 1, maxLength: 6 }).filter((key) => !key.includes('"')),
      tie("value"),
      { maxKeys: 4 },
    ),
  ),
})).value;

Deno.test("what is written in the language is read back", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), tree, { maxKeys: 5 }), (value) => {
      const text = Object.entries(value).map(([key, item]) => `"${key}" = ${written(item)}\n`).join("");
      assert.deepEqual(plain(parseText(text, "f", io)), plainOf(value));
    }),
    { ...seed, numRuns: 2_000 },
  );
});

function written(value: unknown): string {
  if (Array.isArray(value)) {
    return `[ ${value.map((item) => `${written(item)} \n`).join(", ").replaceAll(" \n, ", "\n")} ]`;
  }
  if (typeof value === "object" && value !== null) {
    return `{ ${Object.entries(value).map(([key, item]) => `"${key}": ${written(item)}\n`).join("")} }`;
  }
  if (typeof value !== "string") return String(value);
  return `"${value.replace(/[\\"]/g, "\\$&").replaceAll("\t", "\\t")}"`;
}

/** Maps as lists of their entries by key, so that prototypes and order do not matter. */
function plain(value: Value): unknown {
  if (value instanceof ConfigMap) {
    return sorted([...value.entries.values()].map((entry) => [entry.key, plain(entry.value)]));
  }
  return Array.isArray(value) ? { list: value.map((node) => plain(node.value)) } : value;
}

function plainOf(value: unknown): unknown {
  if (Array.isArray(value)) return { list: value.map(plainOf) };
  if (typeof value !== "object" || value === null) return value;
  return sorted(Object.entries(value).map(([key, item]) => [key, plainOf(item)]));
}

function sorted(entries: [string, unknown][]): [string, unknown][] {
  return entries.sort(([left], [right]) => left < right ? -1 : 1);
}

Deno.test("any command line with any file gives a result", () => {
  const flag = fc.constantFrom(
    "-c",
    "a.conf",
    "-sc",
    "-D",
    "-p",
    "5",
    "-mb",
    "10k",
    "--",
    "-t",
    "-cluster",
    "nats://a:1",
    "-x",
    "-sl",
    "-routes",
    "-hbi",
    "1s",
    "-v",
    "-clustered=false",
    "-encryption_key",
    "k",
  );
  const anything = fc.oneof(flag, fc.string({ maxLength: 6 }));
  fc.assert(
    fc.property(fc.array(anything, { maxLength: 8 }), soup, (args, text) => {
      const result = parseCommandLine(args, { read: () => text, env: io.env });
      assert.ok(["run", "exit", "signal"].includes(result.kind));
    }),
    { ...seed, numRuns: 5_000 },
  );
});

Deno.test("a duration that is printed is read back", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n }), (nanoseconds) => {
      assert.equal(parseDuration(durationText(nanoseconds)), nanoseconds);
    }),
    seed,
  );
});

Deno.test("any text is a duration or an error that begins with time", () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(..."0123456789.-+hmsnuµx ".split(""))).map((parts) => parts.join("")),
      (text) => {
        try {
          parseDuration(text);
        } catch (error) {
          assert.match((error as Error).message, /^time: (?:invalid duration|missing unit in duration|unknown unit)/);
          assert.ok(error instanceof ConfigError);
        }
      },
    ),
    { ...seed, numRuns: 5_000 },
  );
});

Deno.test("integers of files and flags keep their value", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
      assert.equal(parseInteger(String(value)), value);
      assert.equal(parseFlagInteger(String(value)), value);
      assert.equal(parseFlagInteger(value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`), value);
    }),
    seed,
  );
});
