/** Random sessions on one connection, held at once with the embedded server and the real one: both must answer alike. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  connect,
  connectOddly,
  publish,
  publishOddly,
  publishWithHeader,
  sid,
  subject,
  subscribe,
  unsubscribe,
} from "../support/nats_commands.ts";
import { natsServerPath, startNatsServer } from "../support/nats_server.ts";
import { RawNatsClient } from "../support/raw_nats_client.ts";
import { startEmbedded } from "../support/embedded_nats.ts";

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

/** Declares a test that clients hear the same of both servers, whatever they say. */
function differential<T>(
  name: string,
  arbitrary: fc.Arbitrary<T>,
  numRuns: number,
  heard: (port: number, script: T) => Promise<unknown>,
): void {
  Deno.test(name, { ignore: natsServerPath === undefined }, async () => {
    const real = await startNatsServer();
    const ours = await startEmbedded();
    try {
      await fc.assert(
        fc.asyncProperty(arbitrary, async (script) => {
          const [expected, actual] = await Promise.all([heard(real.port, script), heard(ours.address.port, script)]);
          assert.deepEqual(actual, expected);
        }),
        { numRuns },
      );
    } finally {
      await ours.close();
      await real.stop();
    }
  });
}

differential("the embedded server answers random sessions as the real nats-server does", session, 1_500, answer);
differential(
  "three clients of the embedded server hear of each other what they hear at the real nats-server",
  conversation,
  400,
  (port, [starts, steps]) => held(port, starts, steps),
);
