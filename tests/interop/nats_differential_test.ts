/** Random sessions on one connection, held at once with the embedded server and the real one: both must answer alike. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { natsServerPath, startNatsServer } from "../support/nats_server.ts";
import { RawNatsClient } from "../support/raw_nats_client.ts";
import { startEmbedded } from "../support/embedded_nats.ts";

const subject = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom("a", "a.b", "a.*", "a.>", "*", ">", "a.b.c", "*.b", "inbox.1", "A") },
  { weight: 2, arbitrary: fc.constantFrom("a..b", ".a", "a.", "a.>.b", "a*", "**", ">.a", "a.>b", "$SYS.a", "é") },
);
const reply = fc.constantFrom("", "", "inbox.1", "r", "a..b", "_R_.x", "$JS.ACK.x", "_GR_.x");
const blank = fc.constantFrom(" ", " ", " ", "  ", "\t", " \t ");
const end = fc.constantFrom("\r\n", "\r\n", "\r\n", "\n", " \r\n");
const sid = fc.constantFrom("1", "2", "3", "x", "abc");
const payload = fc.constantFrom("", "x", "hello", "PIN\r\n", "\r\n", "MSG a 1 1");

function line(...parts: fc.Arbitrary<string>[]): fc.Arbitrary<string> {
  return fc.tuple(blank, end, ...parts).map(([gap, last, ...words]) => words.filter((w) => w !== "").join(gap) + last);
}

const publish = fc.tuple(line(fc.constantFrom("PUB", "pub", "Pub"), subject, reply, fc.constant("#")), payload)
  .map(([start, body]) => `${start.replace("#", String(body.length))}${body}\r\n`);
const publishWithHeader = fc.tuple(
  line(fc.constantFrom("HPUB", "hpub"), subject, reply, fc.constant("12"), fc.constant("#")),
  payload,
)
  .map(([start, body]) => `${start.replace("#", String(12 + body.length))}NATS/1.0\r\n\r\n${body}\r\n`);
const subscribe = line(fc.constantFrom("SUB", "sub"), subject, sid);
const unsubscribe = line(
  fc.constantFrom("UNSUB", "unsub"),
  sid,
  fc.constantFrom("", "", "1", "2", "5", "0", "x", "-1"),
);
const publishOddly = fc.tuple(
  subject,
  reply,
  fc.constantFrom("0", "5", "12", "012", "13", "99", "-1", "x", ""),
  fc.constantFrom("0", "12", "14", "0014", "1048577", "999999999", "9999999999", "x", ""),
).map(([to, back, header, total]) => `HPUB ${[to, back, header, total].join(" ")}\r\nNATS/1.0\r\n\r\nhi\r\n`);
/** Values that Go and JavaScript may take for different things. */
const value = fc.constantFrom(
  ...[
    "true",
    "false",
    "null",
    "0",
    "1",
    "2",
    "-1",
    '"x"',
    '""',
    "[]",
    "{}",
    "[1,2]",
    '{"a":{"b":[null]}}',
    '"\\u0061"',
  ],
  ...['"\\ud800"', "1.5", "99999999999999999999", "tru", "01", "'x'", '"\t"', "NaN"],
);
const key = fc.constantFrom(
  ...["verbose", "pedantic", "echo", "headers", "no_responders", "protocol", "VERBOSE", "Echo", "name", "lang"],
  ...["user", "pass", "auth_token", "jwt", "nkey", "sig", "version", "tls_required", "account", "new_account", "x", ""],
);
const connectOddly = fc.tuple(
  // A key that comes twice counts by its last value here, while Go looks at the first one's kind as well.
  fc.uniqueArray(fc.tuple(key, value), { maxLength: 4, selector: ([name]) => name }),
  fc.constantFrom("", "", "", " ", ",", "}", "{", "\t", "x", "//"),
).map(([pairs, end]) => `CONNECT {${pairs.map(([name, of]) => `"${name}":${of}`).join(",")}}${end}\r\n`);
const connect = fc.record({
  verbose: fc.boolean(),
  pedantic: fc.boolean(),
  echo: fc.boolean(),
  headers: fc.boolean(),
  no_responders: fc.boolean(),
  protocol: fc.constantFrom(0, 1),
}, { requiredKeys: [] }).map((options) => `CONNECT ${JSON.stringify(options)}\r\n`);
const odd = fc.constantFrom(
  "PUB a\r\n",
  "PUB a 1\r\nxy\r\n",
  "SUB a\r\n",
  "UNSUB\r\n",
  "HPUB a 5 2\r\nxx\r\n",
  "+OK\r\n",
  "-ERR x\r\n",
  "INFO {}\r\n",
  "INFO x\r\n",
  "ping\r\n",
  "PONG\r\n",
  "CONNECT x\r\n",
  "CONNECT\t{}\r\n",
  "\r\n",
  "X\r\n",
  "PUB a 00001\r\nx\r\n",
  "SUB a q q\r\n",
  "PUB a b c d\r\n",
  "SUB  \r\n",
  "-ERR\r\n",
  "INFO\r\n",
  "PUB\r\n",
);
const session = fc.tuple(
  fc.oneof(
    { weight: 5, arbitrary: connect },
    { weight: 2, arbitrary: connectOddly },
    { weight: 1, arbitrary: fc.constant("") },
  ),
  fc.array(
    fc.oneof(
      { weight: 6, arbitrary: publish },
      { weight: 3, arbitrary: publishWithHeader },
      { weight: 6, arbitrary: subscribe },
      { weight: 3, arbitrary: unsubscribe },
      { weight: 1, arbitrary: connect },
      { weight: 1, arbitrary: connectOddly },
      { weight: 1, arbitrary: publishOddly },
      { weight: 1, arbitrary: odd },
    ),
    { maxLength: 15 },
  ),
).map(([start, commands]) => start + commands.join(""));

/** Who does what, one after the other, on three connections. */
const conversation = fc.tuple(
  fc.array(connect, { minLength: 3, maxLength: 3 }),
  fc.array(
    fc.tuple(
      fc.nat(2),
      fc.oneof(
        { weight: 6, arbitrary: publish },
        { weight: 3, arbitrary: publishWithHeader },
        { weight: 5, arbitrary: subscribe },
        // Each subscription has a group of its own, as the choice among members is free.
        { weight: 2, arbitrary: fc.tuple(subject, sid).map(([to, as]) => `SUB ${to} GROUP-${as} ${as}\r\n`) },
        { weight: 3, arbitrary: unsubscribe },
        { weight: 1, arbitrary: connect },
      ),
    ),
    { maxLength: 20 },
  ),
);

/** What each of the three hears, sorted, and whether it is still connected. */
async function held(port: number, starts: string[], steps: [number, string][]): Promise<string[]> {
  const clients = await Promise.all(starts.map(() => RawNatsClient.connect(port)));
  const heard = ["", "", ""];
  const hear = async (i: number, text: string) => heard[i] += clients[i]!.closed ? "" : await clients[i]!.ask(text);
  for (const [i, start] of starts.entries()) await hear(i, start);
  for (const [i, command] of steps) await hear(i, command.replace("GROUP", `group${i}`));
  for (const i of starts.keys()) await hear(i, "");
  const answers = heard.map((text, i) => `${sorted(text)} ${clients[i]!.closed ? "closed" : "open"}`);
  for (const client of clients) await client.close();
  return answers;
}

async function answer(port: number, script: string): Promise<string> {
  const client = await RawNatsClient.connect(port);
  const text = await client.ask(script);
  const { closed } = client;
  await client.close();
  return `${sorted(text)} ${closed ? "closed" : "open"}`;
}

function sorted(text: string): string {
  // Copies of one message for several subscriptions come in any order, and any of several inboxes hears that nobody listens.
  // A strict client's bad subject is complained of even if its payload turns out wrong, which ends the connection anyway.
  const ended = text.includes("Unknown Protocol") ? text.replaceAll("-ERR 'Invalid Publish Subject'\r\n", "") : text;
  const anySid = ended.replace(/HMSG (\S+) \S+ 16 16/g, "HMSG $1 any 16 16");
  const frames = anySid.split(/(?=MSG |HMSG |\+OK\r\n|-ERR |PONG\r\n)/);
  return frames.sort().join("|");
}

Deno.test({
  name: "the embedded server answers random sessions as the real nats-server does",
  ignore: natsServerPath === undefined,
  fn: async () => {
    const real = await startNatsServer();
    const ours = await startEmbedded();
    try {
      await fc.assert(
        fc.asyncProperty(session, async (script) => {
          const [expected, actual] = await Promise.all([
            answer(real.port, script),
            answer(ours.address.port, script),
          ]);
          assert.equal(actual, expected);
        }),
        { numRuns: 1_500 },
      );
    } finally {
      await ours.close();
      await real.stop();
    }
  },
});

Deno.test({
  name: "three clients of the embedded server hear of each other what they hear at the real nats-server",
  ignore: natsServerPath === undefined,
  fn: async () => {
    const real = await startNatsServer();
    const ours = await startEmbedded();
    try {
      await fc.assert(
        fc.asyncProperty(conversation, async ([starts, steps]) => {
          const [expected, actual] = await Promise.all([
            held(real.port, starts, steps),
            held(ours.address.port, starts, steps),
          ]);
          assert.deepEqual(actual, expected);
        }),
        { numRuns: 400 },
      );
    } finally {
      await ours.close();
      await real.stop();
    }
  },
});
