/** The configuration language held against what the reference made of the same texts (spec cli-config-monitoring, 2.2 and 2.3). */
import assert from "node:assert/strict";
import { parseCommandLine } from "./command_line.ts";
import { ConfigError } from "./errors.ts";
import { type ConfigIo, parseFile, parseText } from "./parser.ts";
import { ConfigMap, shownValue } from "./tree.ts";

const folder = new URL("../../tests/golden/config_language/", import.meta.url);

function missing(): never {
  throw Object.assign(new Error("not there"), { code: "ENOENT" });
}

function world(files: Record<string, string> = {}, env: Record<string, string> = {}): ConfigIo {
  return { read: (path) => files[path] ?? missing(), env: (name) => env[name] };
}

function valueOrError(text: string, io = world()): { value: string } | { error: string } {
  try {
    return { value: shownValue(parseText(text, "b.conf", io)) };
  } catch (cause) {
    assert.ok(cause instanceof ConfigError, String(cause));
    return { error: cause.message };
  }
}

const recorded = JSON.parse(Deno.readTextFileSync(new URL("language.json", folder))) as { text: string }[];

/** The reference shows an escape that the end of the file cuts off with the character before. */
const cutEscape = {
  error: "Parse error on line 1: 'Expected two hexadecimal digits after '\\x', but hit end of line'",
};

for (const { text, ...expected } of recorded) {
  Deno.test(`language: ${JSON.stringify(text)}`, () => {
    assert.deepEqual(valueOrError(text), text === 'a: "\\x4' ? cutEscape : expected);
  });
}

/** Texts for which the error of this server is another one, with the reason. */
const otherErrors = new Map<string, string>([
  // Said more clearly.
  [
    "accounts: {A: { mappings: { foo: [{weight: 5}]} }}",
    "t.conf:1:35: Missing destination of mapping\n\n",
  ],
  [
    "accounts: {A: { mappings: { foo: [{destination: y, weight: 60},{destination: z, weight: 60}]} }}",
    't.conf:1:28: Error adding mapping for "foo" : the weights are 120 together, more than 100\n\n',
  ],
  ["server_tags: [5 ]", "t.conf:1:0: error parsing tags: unsupported type int64\n\n"],
  [
    "accounts: {A: { mappings: { foo: [{destination: y, weight: true}]} }}",
    "t.conf:1:51: Unknown entry type for weight of true\n\n",
  ],
]);

/** Of a map with two mistakes the reference names one by chance. */
const byChance = [
  "accounts: {A: { exports: [ {service: x, stream: y} ]}}",
  "accounts: {A: { exports: [ {stream: x, service: y} ]}}",
];

const mistakes = JSON.parse(Deno.readTextFileSync(new URL("nats_errors.json", folder))) as {
  text: string;
  stderr: string;
}[];

for (const { text, stderr } of mistakes) {
  if (byChance.includes(text)) continue;
  Deno.test(`NATS part: ${JSON.stringify(text)}`, () => {
    const result = parseCommandLine(["-c", "t.conf", "-sc", "none.conf"], world({ "t.conf": text }));
    assert.equal(result.kind, "exit");
    const expected = otherErrors.get(text) ?? stderr;
    assert.deepEqual(sortedLines(result.kind === "exit" ? result.stderr : ""), sortedLines(expected));
  });
}

Deno.test("every streaming key with values of every type", () => {
  const cases = JSON.parse(Deno.readTextFileSync(new URL("streaming_errors.json", folder))) as {
    text: string;
    stderr: string;
  }[];
  for (const { text, stderr } of cases) {
    const result = parseCommandLine(["-c", "t.conf", "-mb", "x"], world({ "t.conf": text }));
    assert.deepEqual(result, { kind: "exit", code: 1, stdout: "", stderr }, text);
  }
  assert.ok(cases.length > 600);
});

Deno.test("every flag with a word and a number", () => {
  const cases = JSON.parse(Deno.readTextFileSync(new URL("flags.json", folder))) as {
    args: string[];
    code: number;
    stderr: string;
  }[];
  for (const { args, code, stderr } of cases) {
    const result = parseCommandLine(args, world());
    assert.equal(result.kind, "exit", args.join(" "));
    if (result.kind === "exit") assert.deepEqual([result.code, result.stderr], [code, stderr], args.join(" "));
  }
  assert.ok(cases.length > 200);
});

/** The reference lists errors in no order. */
function sortedLines(text: string): string[] {
  return text.split("\n").sort();
}

Deno.test("a key without value before the end of its map is an error that says so", () => {
  assert.deepEqual(valueOrError("a {\n b: }\n"), {
    error: "Parse error on line 2: 'Expected a value for the key \"b\", but got '}' instead.'",
  });
});

Deno.test("a size suffix that means nothing is an error with its line", () => {
  const result = valueOrError("a: 1\nb: 10kbb\n");
  assert.match("error" in result ? result.error : "", /^Parse error on line 2: 'Unknown size suffix in 10kbb;/);
});

Deno.test("a size beyond 64 bits is an error instead of another number", () => {
  assert.deepEqual(valueOrError("a: 9223372036854775807k\n"), {
    error: "integer '9223372036854775807k' is out of the range",
  });
});

Deno.test("a byte order mark is skipped", () => {
  assert.deepEqual(valueOrError("\ufeffa: 5\n"), { value: "map[a:5]" });
});

Deno.test("closing braces at the end belong to nothing", () => {
  assert.deepEqual(valueOrError("a: 5\n}\n}\n"), { value: "map[a:5]" });
});

Deno.test("a block string may end the file or have Windows line ends", () => {
  assert.deepEqual(valueOrError("a: (\nx\n)"), { value: "map[a:\nx\n]" });
  assert.deepEqual(valueOrError("a: (\r\nx\r\n)\r\nb: 5\r\n"), { value: "map[a:\r\nx\r\n b:5]" });
});

Deno.test("variables of the environment are values of the language", () => {
  const env = { N: "7", S: '"a b"', T: "a b", L: "[x, y]", EMPTY: "", SELF: "$SELF" };
  assert.deepEqual(valueOrError("a: $N, b: $S, c: $L, d: $EMPTY\n", world({}, env)), {
    value: "map[a:7 b:a b c:[x y] d:]",
  });
  assert.deepEqual(valueOrError("a: $T\n", world({}, env)), {
    error:
      "variable reference for 'T' on line 1 could not be parsed: Parse error on line 1: 'Expected a top-level value to " +
      "end with a new line, comment or EOF, but got 'b' instead.'",
  });
  const self = valueOrError("a: $SELF\n", world({}, env));
  assert.match("error" in self ? self.error : "", /variables refer to one another deeper than 20 levels$/);
});

Deno.test("included files: relative to the including file, last definition wins, positions of their own", () => {
  const files = {
    "conf/main.conf": 'a: 1\ninclude "parts/one.conf"\nb: 3\nc: $z\n',
    "conf/parts/one.conf": "a: 2\nb: 2\nz: 9\ninclude ../two.conf\n",
    "conf/two.conf": "d: 4\n",
  };
  const tree = parseFile("conf/main.conf", world(files));
  assert.equal(shownValue(tree), "map[a:2 b:3 c:9 d:4 z:9]");
  const { file, at } = tree.entries.get("d") ?? {};
  assert.deepEqual([file, at], ["conf/two.conf", { line: 1, column: 0 }]);
});

Deno.test("files that include themselves are refused", () => {
  const result = valueOrError('include "b.conf"\n', world({ "b.conf": 'include "b.conf"\n' }));
  assert.match("error" in result ? result.error : "", /files include one another deeper than 20 levels$/);
});

Deno.test("positions: columns count bytes, from 0 on line 1 and from 1 later", () => {
  const tree = parseText("a: 1, bb: 2\n  c: 3; 'd': 4\nx: é; e: 5\n", "b.conf", world());
  const places = [...tree.entries.values()].map(({ key, at }) => `${key} ${at.line}:${at.column}`);
  assert.deepEqual(places, ["a 1:0", "bb 1:6", "c 2:3", "d 2:10", "x 3:1", "e 3:8"]);
});

Deno.test("a variable that doubles itself does not fill the memory", () => {
  const lines = ["a0: [x, x]"];
  for (let i = 1; i <= 60; i++) lines.push(`a${i}: [$a${i - 1}, $a${i - 1}]`);
  const result = valueOrError(`${lines.join("\n")}\n`);
  assert.match("error" in result ? result.error : "", /variables repeat more than 100000 values$/);
});

Deno.test("nesting has a limit", () => {
  const result = valueOrError("a: " + "[".repeat(100_000));
  assert.match("error" in result ? result.error : "", /nested deeper than 500 levels/);
});

Deno.test("maps print with sorted keys", () => {
  const map = new ConfigMap();
  for (const key of ["b", "a"]) map.set({ key, value: 1n, at: { line: 1, column: 0 }, file: "", used: false });
  assert.equal(shownValue(map), "map[a:1 b:1]");
});
