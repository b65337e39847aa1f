/** Starts a NATS server: its client port, then its routes. */
import type { EmbeddedNatsOptions } from "./options.ts";
import { NatsServer, type NatsServerPorts } from "./nats_server.ts";
import { openRoutes } from "./routes/mod.ts";

/** Starts a server; resolves when clients can connect. Rejects with NetworkFailed, e.g. when the port is taken. */
export async function startNatsServer(options: EmbeddedNatsOptions, ports: NatsServerPorts): Promise<NatsServer> {
  const listener = await ports.network.listen({
    host: options.host,
    port: options.port,
    ...(demandsCertificates(options) ? { upgradable: true } : {}),
  });
  const server = new NatsServer(options, ports, listener);
  if (options.cluster === undefined) return server;
  try {
    server.join(await openRoutes(options.cluster, server, ports.passwords));
  } catch (error) {
    await server.close();
    throw error;
  }
  return server;
}

function demandsCertificates({ tls }: EmbeddedNatsOptions): boolean {
  return tls?.verify === true || tls?.verifyAndMap === true;
}
