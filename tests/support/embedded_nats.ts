/** An embedded NATS server on a free port of this machine, for tests. */
import { type EmbeddedNatsOptions, type NatsServer, startNatsServer } from "../../src/nats/embedded/mod.ts";
import { systemClock, systemNetwork, systemPasswordHasher, systemRandom } from "../../src/system/mod.ts";
import { silentLog } from "../../src/ports/log.ts";

const passwords = systemPasswordHasher();
addEventListener("unload", () => passwords.close());

/** Starts a server on 127.0.0.1. */
export function startEmbedded(options: Partial<EmbeddedNatsOptions> = {}): Promise<NatsServer> {
  return startNatsServer(
    { host: "127.0.0.1", port: 0, ...options },
    { network: systemNetwork(), clock: systemClock(), random: systemRandom(), log: silentLog, passwords },
  );
}

/** Runs `test` against a server that is closed afterwards. */
export async function withEmbedded(
  options: Partial<EmbeddedNatsOptions>,
  test: (server: NatsServer) => Promise<void>,
): Promise<void> {
  const server = await startEmbedded(options);
  try {
    await test(server);
  } finally {
    await server.close();
  }
}
