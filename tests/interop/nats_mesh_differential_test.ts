/** Random conversations of two clients on two servers of a mesh: whichever of them is ours, both hear the same. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { closeAll, freePort, routePort, startMember } from "../support/mesh.ts";
import { connect, publish, publishWithHeader, sid, subject, subscribe, unsubscribe } from "../support/nats_commands.ts";
import { goServer, versions } from "../support/go_mesh.ts";
import { RawNatsClient } from "../support/raw_nats_client.ts";

const ignore = Object.keys(versions).length === 0;

const step = fc.tuple(
  fc.nat(1),
  fc.oneof(
    { weight: 6, arbitrary: publish },
    { weight: 3, arbitrary: publishWithHeader },
    { weight: 5, arbitrary: subscribe },
    // Each subscription has a group of its own, as the choice among members is free.
    { weight: 3, arbitrary: fc.tuple(subject, sid).map(([to, as]) => `SUB ${to} GROUP-${as} ${as}\r\n`) },
    { weight: 3, arbitrary: unsubscribe },
    { weight: 1, arbitrary: connect },
  ),
);
const conversation = fc.tuple(
  fc.array(connect, { minLength: 2, maxLength: 2 }),
  fc.array(step, { minLength: 1, maxLength: 20 }),
);

/** What each of the two hears, sorted. */
async function held(ports: readonly number[], starts: string[], steps: [number, string][]): Promise<string[]> {
  const clients = await Promise.all(ports.map((port) => RawNatsClient.connect(port)));
  // Others carry the barriers: what these two hear stays theirs alone.
  const porters = await Promise.all(ports.map((port) => RawNatsClient.connect(port)));
  const name = `barrier.${crypto.randomUUID()}`;
  for (const [i, porter] of porters.entries()) {
    await porter.ask(`CONNECT {"verbose":false,"pedantic":false}\r\nSUB ${name}.${i} 1\r\n`);
  }
  let passed = 0;
  /** Until everything that either server has told the other before is known there. */
  const barrier = async () => {
    for (const [from, to] of [[0, 1], [1, 0]] as const) {
      const text = `b${passed++}!`;
      for (;;) {
        await porters[from]!.send(`PUB ${name}.${to} ${text.length}\r\n${text}\r\n`);
        const come = await porters[to]!.until((received) => received.includes(text), 200).catch(() => undefined);
        if (come !== undefined) break;
      }
    }
  };
  await barrier();
  const heard = ["", ""];
  const hear = async (i: number, text: string) => heard[i] += clients[i]!.closed ? "" : await clients[i]!.ask(text);
  for (const [i, start] of starts.entries()) await hear(i, start);
  for (const [i, command] of steps) {
    // A subscription to everything would get the barriers too.
    await hear(i, command.replace("GROUP", `group${i}`).replace(/(?<=\s)>(?=\s)/, "a.>"));
    await barrier();
    await barrier();
    await hear(1 - i, "");
  }
  for (const i of starts.keys()) await hear(i, "");
  const answers = heard.map((text, i) => `${sorted(text)} ${clients[i]!.closed ? "closed" : "open"}`);
  for (const client of clients) await client.close();
  // Before the next conversation nothing of this one is wanted any more.
  await barrier();
  for (const porter of porters) await porter.close();
  return answers;
}

function sorted(text: string): string {
  const anySid = text.replace(/HMSG (\S+) \S+ 16 16/g, "HMSG $1 any 16 16");
  return anySid.split(/(?=MSG |HMSG |\+OK\r\n|-ERR |PONG\r\n)/).sort().join("|");
}

for (const [version, path] of Object.entries(versions)) {
  Deno.test(
    { name: `two clients across a route hear the same, whoever serves them (${version})`, ignore },
    async () => {
      const [go1Port, go2Port] = [freePort(), freePort()];
      const go1 = await goServer(path, "go1", { port: go1Port, block: "name: reference" });
      const go2 = await goServer(path, "go2", {
        port: go2Port,
        block: "name: reference",
        routes: [`nats-route://127.0.0.1:${go1Port}`],
      });
      const mixedPort = freePort();
      const go3 = await goServer(path, "go3", { port: mixedPort });
      const ours = await startMember("ours", [mixedPort]);
      const [a, b] = [await startMember("a", [], { name: "own" }), await startMember("b", [], { name: "own" })];
      b.reload({
        ...b.options,
        cluster: { ...b.options.cluster!, routes: [`nats-route://127.0.0.1:${routePort(a)}`] },
      });
      const pairs = [[ours.address.port, go3.port], [go3.port, ours.address.port], [a.address.port, b.address.port]];
      try {
        // Clients hear of routes that come up; these are up before anybody listens.
        for (const ports of [[go1.port, go2.port], ...pairs]) await held(ports, ["", ""], []);
        await new Promise((resolve) => setTimeout(resolve, 500));
        await fc.assert(
          fc.asyncProperty(conversation, async ([starts, steps]) => {
            const expected = await held([go1.port, go2.port], starts, steps);
            for (const ports of pairs) assert.deepEqual(await held(ports, starts, steps), expected);
          }),
          { numRuns: 100 },
        );
      } finally {
        await closeAll(ours, a, b);
        await Promise.all([go1.stop(), go2.stop(), go3.stop()]);
      }
    },
  );
}
