/** TLS between servers: first of all on the connection, with certificates on both sides (spec nats-server, section 3.9). */
import { type Connection, NetworkFailed } from "../../../ports/network.ts";
import type { Millis } from "../../../protocol/units.ts";
import { nameOf, type RouteUrl } from "./route_urls.ts";
import type { RouteHost } from "./route_host.ts";
import type { RouteTlsOptions } from "../options.ts";
import { tlsFault } from "../security/mod.ts";

const USUAL_TIMEOUT: Millis = 2_000;

/** The connection as TLS; `url`: where it was dialed. `undefined` when the handshake failed, which the log says. */
export async function securedRoute(
  raw: Connection,
  url: RouteUrl | undefined,
  tls: RouteTlsOptions,
  { network, log }: RouteHost,
): Promise<Connection | undefined> {
  const options = { timeout: USUAL_TIMEOUT, ...tls };
  try {
    const secured = url === undefined
      ? await network.secureServer(raw, { ...options, verify: true })
      : await network.secureClient(raw, { serverName: url.host, ...options, verify: tls.insecure !== true });
    const fault = tlsFault(secured.tls, tls);
    if (fault === undefined) return secured;
    secured.close();
    throw new NetworkFailed("", fault);
  } catch (error) {
    if (!(error instanceof NetworkFailed)) throw error;
    log.error(`${nameOf(raw.remote)} - TLS route handshake error: ${error.message}`);
    raw.close();
    return undefined;
  }
}
