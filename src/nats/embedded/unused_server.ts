/**
 * A NATS server that nobody can connect to: where streaming uses another one, its pages still answer (spec
 * cli-config-monitoring, section 5.1).
 */
import type { Listener } from "../../ports/network.ts";
import { NatsServer, type NatsServerPorts } from "./nats_server.ts";
import type { EmbeddedNatsOptions } from "./options.ts";

/** A server as the options describe it, which does not listen. */
export function unusedNatsServer(options: EmbeddedNatsOptions, ports: NatsServerPorts): NatsServer {
  const { systemAccount: _systemAccount, cluster: _cluster, ...rest } = options;
  return new NatsServer({ ...rest, unused: true }, ports, nobody(options));
}

function nobody({ host, port }: EmbeddedNatsOptions): Listener {
  const closed = Promise.withResolvers<undefined>();
  return { address: { host, port }, accept: () => closed.promise, close: () => closed.resolve(undefined) };
}
