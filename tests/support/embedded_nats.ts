/** An embedded NATS server on a free port of this machine, for tests. */
import { type EmbeddedNatsOptions, type NatsServer, startNatsServer } from "../../src/nats/embedded/mod.ts";
import { systemClock, systemNetwork, systemPasswordHasher, systemRandom } from "../../src/system/mod.ts";
import type { Clock } from "../../src/ports/clock.ts";
import { type Log, silentLog } from "../../src/ports/log.ts";

const passwords = systemPasswordHasher();
addEventListener("unload", () => passwords.close());

/** Starts a server on 127.0.0.1. */
export function startEmbedded(
  options: Partial<EmbeddedNatsOptions> = {},
  ports: { readonly clock?: Clock; readonly log?: Log } = {},
): Promise<NatsServer> {
  return startNatsServer(
    { host: "127.0.0.1", port: 0, ...options },
    { network: systemNetwork(), clock: systemClock(), random: systemRandom(), log: silentLog, passwords, ...ports },
  );
}

/** Runs `test` against a server that is closed afterwards. */
export async function withEmbedded(
  options: Partial<EmbeddedNatsOptions>,
  test: (server: NatsServer) => Promise<void>,
  ports: { readonly clock?: Clock; readonly log?: Log } = {},
): Promise<void> {
  const server = await startEmbedded(options, ports);
  try {
    await test(server);
  } finally {
    await server.close();
  }
}
