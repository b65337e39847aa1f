/** A server with a route port, and ways to talk to it. */
import type { ClusterOptions, EmbeddedNatsOptions, NatsServer } from "../../src/nats/embedded/mod.ts";
import { withEmbedded } from "./embedded_nats.ts";
import { quietConnect, RawNatsClient } from "./raw_nats_client.ts";

const cluster: ClusterOptions = { name: "c1", host: "127.0.0.1", port: 0 };

/** Runs `test` against a server of the cluster `c1`, and its route port. */
export function withCluster(
  more: Partial<ClusterOptions>,
  test: (server: NatsServer, port: number) => Promise<void>,
  options: Partial<EmbeddedNatsOptions> = {},
): Promise<void> {
  return withEmbedded({ serverName: "us", ...options, cluster: { ...cluster, ...more } }, (server) => {
    return test(server, server.routes.address!.port);
  });
}

/** A quiet client that knows headers. */
export async function quietClient(server: NatsServer, more: object = {}): Promise<RawNatsClient> {
  const connected = await RawNatsClient.connect(server.address.port);
  await connected.ask(quietConnect({ headers: true, no_responders: true, protocol: 1, ...more }));
  return connected;
}

/** Sends and returns what came back, and whether the server hung up. */
export async function probeRoute(port: number, text: string): Promise<[answer: string, closed: boolean]> {
  const peer = await RawNatsClient.connect(port);
  const answer = await peer.ask(text);
  const { closed } = peer;
  await peer.close();
  return [answer, closed];
}
