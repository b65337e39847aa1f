import assert from "node:assert/strict";
import { quietConnect, RawNatsClient } from "../../../../tests/support/raw_nats_client.ts";
import { silentLog } from "../../../ports/log.ts";
import { startNatsServer } from "../mod.ts";
import { systemClock, systemNetwork, systemRandom } from "../../../system/mod.ts";

Deno.test("the log shows commands, messages and answers at trace level, and no secrets", async () => {
  const lines: string[] = [];
  const log = {
    ...silentLog,
    tracing: true,
    debugging: true,
    trace: (text: string) => lines.push(text.replace(/^.* - cid:\d+ - /, "")),
    debug: (text: string) => lines.push(text.replace(/^.* - cid:\d+ - /, "")),
  };
  const ports = { network: systemNetwork(), clock: systemClock(), random: systemRandom(), log };
  const server = await startNatsServer({ host: "127.0.0.1", port: 0 }, ports);
  const client = await RawNatsClient.connect(server.address.port);
  await client.ask(quietConnect({ user: "me", pass: "se\\cret" }) + "SUB a 1\r\nPUB a r 2\r\nhi\r\n");
  const [session] = server.sessions.values();
  await client.close();
  await session!.ended;
  await server.close();
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
