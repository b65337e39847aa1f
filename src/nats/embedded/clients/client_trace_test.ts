import assert from "node:assert/strict";
import { quietConnect, RawNatsClient } from "../../../../tests/support/raw_nats_client.ts";
import { silentLog } from "../../../ports/log.ts";
import { type EmbeddedNatsOptions, startNatsServer } from "../mod.ts";
import { systemClock, systemNetwork, systemRandom } from "../../../system/mod.ts";

/** What the log has at trace level of a session that says this. */
async function traceOf(text: string, connect: object, options: Partial<EmbeddedNatsOptions> = {}): Promise<string[]> {
  const lines: string[] = [];
  const note = (line: string) => lines.push(line.replace(/^.* - cid:\d+ - /, ""));
  const log = { ...silentLog, tracing: true, debugging: true, trace: note, debug: note };
  const ports = { network: systemNetwork(), clock: systemClock(), random: systemRandom(), log };
  const server = await startNatsServer({ host: "127.0.0.1", port: 0, ...options }, ports);
  const client = await RawNatsClient.connect(server.address.port);
  await client.ask(quietConnect(connect) + text);
  const [session] = server.sessions.values();
  await client.close();
  await session!.ended;
  await server.close();
  return lines;
}

Deno.test("the log shows commands, messages and answers at trace level, and no secrets", async () => {
  const lines = await traceOf("SUB a 1\r\nPUB a r 2\r\nhi\r\n", { user: "me", pass: "se\\cret" });
  assert.match(lines[1]!, /^->> \[INFO \{/);
  assert.deepEqual(lines.filter((line) => !line.startsWith("->> [INFO")), [
    "Client connection created",
    '<<- [CONNECT {"verbose":false,"pedantic":false,"user":"me","pass":"[REDACTED]"}]',
    "<<- [SUB a 1]",
    "<<- [PUB a r 2]",
    '<<- MSG_PAYLOAD: ["hi"]',
    "->> [MSG a 1 r 2]",
    "<<- [PING]",
    "->> [PONG]",
    "Client connection closed: Client Closed",
  ]);
});

Deno.test("the log shows as much of payloads as it is told to, and messages with their headers' size", async () => {
  const text = `SUB a 1\r\nHPUB a 12 20\r\nNATS/1.0\r\n\r\n12345678\r\nPUB a 2000\r\n${"x".repeat(2_000)}\r\n`;
  const shown = (lines: string[]) => lines.filter((line) => /MSG/.test(line));
  assert.deepEqual(shown(await traceOf(text, { headers: true }, { maxTracedPayload: 5 })), [
    '<<- MSG_PAYLOAD: ["NATS/..."]',
    "->> [HMSG a 1 12 20]",
    '<<- MSG_PAYLOAD: ["xxxxx..."]',
    "->> [MSG a 1 2000]",
  ]);
  const all = shown(await traceOf(text, { headers: true }));
  assert.equal(all[2], `<<- MSG_PAYLOAD: ["${"x".repeat(2_000)}"]`);
});
