/** The embedded NATS server as a configuration file makes it, without the streaming part. */
import assert from "node:assert/strict";
import { embeddedOptions } from "../../src/plugins/embedded_nats.ts";
import type { NatsServer } from "../../src/nats/embedded/mod.ts";
import { effectiveOptions, type Options, parseCommandLine } from "../../src/config/mod.ts";
import type { System } from "../../src/registry.ts";
import { type Log, silentLog } from "../../src/ports/log.ts";
import { startEmbedded } from "./embedded_nats.ts";
import { systemFiles, systemNetwork } from "../../src/system/mod.ts";

const system = { network: systemNetwork(), files: systemFiles() } as System;

/** What the server is told by a file with this text. */
export function optionsFrom(text: string): ReturnType<typeof embeddedOptions> {
  const io = { read: (path: string) => path === "x.conf" ? text : Deno.readTextFileSync(path), env: () => undefined };
  const parsed = parseCommandLine(["-c", "x.conf"], io);
  assert.equal(parsed.kind, "run", `the file is refused: ${text}`);
  const { options } = parsed as { options: Options };
  return embeddedOptions(effectiveOptions(options, () => undefined), system);
}

/** Runs `test` against a server on free ports, which is closed afterwards. */
export async function withConfigured(
  text: string,
  test: (server: NatsServer) => Promise<void>,
  log: Log = silentLog,
): Promise<void> {
  const server = await startEmbedded({ ...optionsFrom(text), host: "127.0.0.1", port: 0 }, { log });
  try {
    await test(server);
  } finally {
    await server.close();
  }
}
