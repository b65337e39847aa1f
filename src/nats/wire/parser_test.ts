import assert from "node:assert/strict";
import fc from "fast-check";
import { clientVerbs, routeVerbs, Verb, type VerbRule } from "./verbs.ts";
import { Failure, FrameParser } from "./parser.ts";
import { framesIn, mixedScript, splitsOf } from "../../../tests/support/mixed_script.ts";

const limits = { maxPayload: 1_048_576, maxControlLine: 4_096 };

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function textOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

const names = new Map(Object.entries(Verb).map(([name, verb]) => [verb, name]));

/** One line a frame: verb, arguments, payload. */
function describe(parser: FrameParser): string {
  const { buffer, tokens, verb } = parser;
  const cut = (from: number, to: number) => textOf(buffer.subarray(from, to));
  const name = names.get(verb)!;
  if (verb === Verb.Connect || verb === Verb.Info || verb === Verb.Error) {
    return `${name} <${cut(parser.argumentsStart, parser.argumentsEnd)}>`;
  }
  if (verb === Verb.Ping || verb === Verb.Pong || verb === Verb.Ok) return name;
  const list = Array.from({ length: parser.tokenCount }, (_, i) => cut(tokens[2 * i]!, tokens[2 * i + 1]!));
  const payload = verb === Verb.Subscribe || verb === Verb.Unsubscribe || verb === Verb.RouteSubscribe ||
      verb === Verb.RouteUnsubscribe
    ? ""
    : ` h${parser.headerSize} <${cut(parser.payloadStart, parser.payloadEnd)}>`;
  return `${name} ${list.join("|")}${payload}`;
}

/** Feeds pieces as a connection would: the unfinished rest is kept at the buffer's start. */
function parse(pieces: Uint8Array[], rules: readonly VerbRule[] = clientVerbs, over = limits) {
  const frames: string[] = [];
  const parser = new FrameParser(rules, over, {
    frame: (found) => {
      frames.push(describe(found));
      return true;
    },
  });
  let buffer: Uint8Array = new Uint8Array(0);
  for (const piece of pieces) {
    const joined = new Uint8Array(buffer.length + piece.length);
    joined.set(buffer);
    joined.set(piece, buffer.length);
    buffer = joined.slice(parser.push(joined, 0, joined.length));
    if (parser.failure !== Failure.None) break;
  }
  return { frames, failure: parser.failure, rest: buffer.length };
}

function parseText(text: string, rules = clientVerbs) {
  return parse([bytesOf(text)], rules);
}

Deno.test("FrameParser reads every client verb in any case, with blanks and tabs", () => {
  const { frames, failure, rest } = parseText(
    'CONNECT {"a":1}\r\nconnect{}\r\nPING\r\npInGxyz\r\nPONG\nSUB a 1\r\nsub  a\tq  2 \r\nUNSUB 1\r\nUnSub 1 5\n' +
      "PUB a 2\r\nhi\r\nPuB \t a  r 0\t \n\r\nHPUB a 3 5\r\nabcde\r\nhpub a r 0 2\r\nde\r\n+OK\r\nINFO {}\r\n-ERR 'x'\r\n",
  );
  assert.equal(failure, Failure.None);
  assert.equal(rest, 0);
  assert.deepEqual(frames, [
    'Connect <{"a":1}>',
    "Connect <{}>",
    "Ping",
    "Ping",
    "Pong",
    "Subscribe a|1",
    "Subscribe a|q|2",
    "Unsubscribe 1",
    "Unsubscribe 1|5",
    "Publish a|2 h0 <hi>",
    "Publish a|r|0 h0 <>",
    "HeaderPublish a|3|5 h3 <abcde>",
    "HeaderPublish a|r|0|2 h0 <de>",
    "Ok",
    "Info <{}>",
    "Error <'x'>",
  ]);
});

Deno.test("FrameParser reads what other servers send on a route", () => {
  const { frames, failure } = parseText(
    "RS+ $G foo\r\nRS+ $G work workers 2\r\nRS- $G foo\r\nRMSG $G foo 5\r\nhello\r\nRMSG $G work + r workers other 4\r\njob4\r\n" +
      "HMSG $G foo 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
    routeVerbs,
  );
  assert.equal(failure, Failure.None);
  assert.deepEqual(frames, [
    "RouteSubscribe $G|foo",
    "RouteSubscribe $G|work|workers|2",
    "RouteUnsubscribe $G|foo",
    "RouteMessage $G|foo|5 h0 <hello>",
    "RouteMessage $G|work|+|r|workers|other|4 h0 <job4>",
    "RouteHeaderMessage $G|foo|12|14 h12 <NATS/1.0\r\n\r\nhi>",
  ]);
  const queues = Array.from({ length: 50 }, (_, i) => `q${i}`);
  const many = parseText(`RMSG $G a | ${queues.join(" ")} 1\r\nx\r\n`, routeVerbs);
  assert.deepEqual(many.frames, [`RouteMessage $G|a|${["|", ...queues].join("|")}|1 h0 <x>`]);
});

Deno.test("FrameParser says which lines it cannot take", () => {
  const unknown = [
    "\r\n",
    " PING\r\n",
    "GET / HTTP/1.1\r\n",
    "PUBa 1\r\n",
    "PUB\r\n",
    "MSG a 1 1\r\nx\r\n",
    "X",
    "PUX",
  ];
  const payloads = ["PUB a 2\r\nhi\n", "PUB a 2\r\nhix\r\n", "PUB a 4\r\nhi\r\nPING\r\n", "PUB a 2\r\nhi\rx"];
  for (const text of [...unknown, ...payloads, "RS+ $G a\r\n", "A+ a\r\n"]) {
    assert.equal(parseText(text).failure, Failure.UnknownOperation, JSON.stringify(text));
  }
  const counts = [
    "PUB a\r\n",
    "PUB \r\n",
    "PUB a b c 2\r\n",
    "SUB a\r\n",
    "SUB a b c d\r\n",
    "UNSUB \r\n",
    "UNSUB 1 2 3\r\n",
  ];
  const sizes = ["-1", "+2", "0x2", "abc", "1234567890", "2a"].map((size) => `PUB a ${size}\r\n`);
  const headers = ["HPUB a 2\r\n", "HPUB a 3 2\r\n", "HPUB a x 2\r\n", "HPUB a b c 1 2\r\n"];
  for (const text of [...counts, ...sizes, ...headers]) {
    assert.equal(parseText(text).failure, Failure.Malformed, JSON.stringify(text));
  }
});

Deno.test("FrameParser enforces its limits before the bytes are there", () => {
  assert.equal(parseText(`PUB a ${limits.maxPayload + 1}\r\n`).failure, Failure.MaxPayload);
  assert.equal(parseText("PUB a 999999999\r\n").failure, Failure.MaxPayload);
  assert.equal(parseText(`HPUB a 2 ${limits.maxPayload + 1}\r\n`).failure, Failure.MaxPayload);
  assert.equal(parseText(`PUB a ${limits.maxPayload}\r\n`).failure, Failure.None);
  const fitting = "a".repeat(4_094);
  assert.deepEqual(parseText(`SUB ${fitting} 1\r\n`).frames, [`Subscribe ${fitting}|1`]);
  for (const verb of ["SUB", "CONNECT", "PUB", "UNSUB", "INFO"]) {
    assert.equal(parseText(`${verb} a${fitting} 1\r\n`).failure, Failure.MaxControlLine, verb);
    assert.equal(parseText(`${verb} ${"a".repeat(5_000)}`).failure, Failure.MaxControlLine, verb);
  }
  assert.deepEqual(parseText(`PING${"x".repeat(10_000)}\r\nPONG\r\n`).frames, ["Ping", "Pong"]);
});

Deno.test("FrameParser tells which control lines may be copied as they stand", () => {
  const canonical: boolean[] = [];
  const parser = new FrameParser(clientVerbs, limits, { frame: (found) => canonical.push(found.canonical) > 0 });
  const bytes = bytesOf(
    "PUB a 1\r\nx\r\nPUB a r 1\r\nx\r\nPUB  a 1\r\nx\r\nPUB a 1 \r\nx\r\nPUB a 1\nx\r\nPUB a\t1\r\nx\r\n",
  );
  parser.push(bytes, 0, bytes.length);
  assert.deepEqual(canonical, [true, true, false, false, false, false]);
});

Deno.test("FrameParser stops when its sink says so, and goes on from there", () => {
  const frames: string[] = [];
  const parser = new FrameParser(clientVerbs, limits, {
    frame: (found) => {
      frames.push(describe(found));
      return frames.length !== 2;
    },
  });
  const bytes = bytesOf("PING\r\nPONG\r\nPING\r\n");
  const used = parser.push(bytes, 0, bytes.length);
  assert.equal(used, 12);
  assert.equal(parser.push(bytes, used, bytes.length), 18);
  assert.deepEqual(frames, ["Ping", "Pong", "Ping"]);
});

/** Commands that are all valid. */
const command = fc.oneof(
  fc.constantFrom("PING\r\n", "PONG\n", "pingjunk\r\n", "+OK\r\n", "SUB a.b 1\r\n", "unsub\t1  3\r\n", "CONNECT{}\r\n"),
  fc.tuple(fc.constantFrom("PUB a", "PUB  a.b\tr", "pub a r"), fc.string({ unit: "binary-ascii", maxLength: 40 }))
    .map(([start, payload]) => `${start} ${payload.length}\r\n${payload}\r\n`),
  fc.string({ unit: "binary-ascii", maxLength: 20 }).map((payload) =>
    `HPUB a 12 ${12 + payload.length}\r\nNATS/1.0\r\n\r\n${payload}\r\n`
  ),
);

Deno.test("FrameParser finds the same frames wherever the bytes are split", () => {
  fc.assert(
    fc.property(
      fc.array(command, { minLength: 1, maxLength: 20 }),
      fc.array(fc.nat(400), { maxLength: 30 }),
      (commands, cuts) => {
        const whole = bytesOf(commands.join(""));
        const expected = parse([whole]);
        assert.equal(expected.frames.length, commands.length);
        assert.equal(expected.failure, Failure.None);
        const single = Array.from(whole, (byte) => Uint8Array.of(byte));
        assert.deepEqual(parse(single).frames, expected.frames);
        const at = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].sort((a, b) => a - b);
        const pieces = [...at, whole.length].map((end, i) => whole.subarray(at[i - 1] ?? 0, end));
        assert.deepEqual(parse(pieces), expected);
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("FrameParser takes any bytes without fault, and comes to the same end wherever they are split", () => {
  const noise = fc.array(
    fc.oneof(
      command,
      fc.string({ unit: "binary-ascii", maxLength: 12 }),
      fc.constantFrom("PUB ", "SUB", "\r\n", "\r", "\n", " ", "HPUB a 1", "-ERR ", "2\r\n", "ping", "CONNECT "),
    ),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(noise, fc.constantFrom(clientVerbs, routeVerbs), (parts, rules) => {
      const whole = bytesOf(parts.join(""));
      const expected = parse([whole], rules);
      const single = parse(Array.from(whole, (byte) => Uint8Array.of(byte)), rules);
      assert.deepEqual(single.frames, expected.frames);
      assert.equal(single.failure, expected.failure);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("FrameParser: a script of all commands in a thousand ways of splitting it", () => {
  const script = mixedScript(100_000, 18);
  const expected = framesIn(script, [script.length]);
  for (let seed = 1; seed <= 1_000; seed++) {
    assert.deepEqual(framesIn(script, splitsOf(script.length, seed)), expected, `seed ${seed}`);
  }
  const bytewise = Array.from(script.subarray(0, 20_000), (_, i) => i + 1);
  assert.deepEqual(framesIn(script, [...bytewise, script.length]), expected);
});

Deno.test("FrameParser reads publishes whose lines repeat as if each stood alone, and tells that they repeat", () => {
  const repeated = fc.tuple(
    fc.constantFrom(
      "PUB a 2\r\n",
      "PUB b 2\r\n",
      "pub a 2\r\n",
      "PUB a r 2\r\n",
      "PUB a  2\r\n",
      "HPUB a 1 2\r\n",
      "PING\r\n",
    ),
    fc.string({ unit: "binary-ascii", minLength: 2, maxLength: 2 }),
    fc.constantFrom("\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "x"),
    fc.nat(5),
  ).map(([line, payload, end, times]) =>
    Array.from({ length: times + 1 }, () => ({ line, text: line === "PING\r\n" ? line : `${line}${payload}${end}` }))
  );
  fc.assert(
    fc.property(fc.array(repeated, { maxLength: 8 }), (groups) => {
      const commands = groups.flat();
      const whole = bytesOf(commands.map(({ text }) => text).join(""));
      const single = parse(Array.from(whole, (byte) => Uint8Array.of(byte)));
      const { frames, failure } = parse([whole]);
      assert.deepEqual({ frames, failure }, { frames: single.frames, failure: single.failure });

      const numbers: number[] = [];
      const parser = new FrameParser(clientVerbs, limits, { frame: (found) => numbers.push(found.line) > 0 });
      parser.push(whole, 0, whole.length);
      for (let i = 1; i < numbers.length; i++) {
        const same = commands[i]!.line === commands[i - 1]!.line && commands[i]!.line !== "PING\r\n";
        assert.equal(numbers[i] === numbers[i - 1], same, `${i}: ${numbers}`);
      }
    }),
    { numRuns: 1_000 },
  );
});
