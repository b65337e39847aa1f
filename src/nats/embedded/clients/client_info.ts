/** The INFO that clients get (spec nats-server, section 1.2). */
import { advertisedAddress, ownUrls } from "../addresses.ts";
import type { ClusterView } from "../cluster_view.ts";
import type { EmbeddedNatsOptions } from "../options.ts";

export interface InfoParts {
  readonly serverId: string;
  readonly serverName: string;
  readonly version: string;
  readonly options: EmbeddedNatsOptions;
  readonly port: number;
  readonly maxPayload: number;
  readonly authRequired: boolean;
  readonly cluster: ClusterView;
  readonly lameDuck: boolean;
}

export interface InfoClient {
  readonly id: number;
  readonly address: string;
  /** `undefined`: no challenge. */
  readonly nonce: string | undefined;
}

/** A line longer than this is not understood by old clients; further URLs are left out. */
const MAX_URL_BYTES = 2_800;

/** The JSON of INFO for one client. */
export function clientInfo(parts: InfoParts, client: InfoClient): object {
  const { options } = parts;
  const advertised = advertisedAddress(options, parts.port);
  const tls = options.tls;
  const urls = connectUrls(parts);
  return {
    server_id: parts.serverId,
    server_name: parts.serverName,
    version: parts.version,
    proto: 1,
    go: "deno",
    host: advertised?.host ?? options.host,
    port: advertised?.port ?? parts.port,
    headers: options.noHeaders !== true,
    ...(parts.authRequired ? { auth_required: true } : {}),
    ...(tls === undefined ? {} : tls.allowNonTls === true ? { tls_available: true } : { tls_required: true }),
    ...(tls?.verify === true || tls?.verifyAndMap === true ? { tls_verify: true } : {}),
    max_payload: parts.maxPayload,
    client_id: client.id,
    client_ip: client.address,
    ...(client.nonce === undefined ? {} : { nonce: client.nonce }),
    ...(parts.cluster.name === undefined ? {} : { cluster: parts.cluster.name }),
    ...(urls.length === 0 ? {} : { connect_urls: urls }),
    ...(parts.lameDuck ? { ldm: true } : {}),
  };
}

/** Client URLs of the whole cluster, own first; none without a cluster, or where it is told not to advertise. */
function connectUrls(parts: InfoParts): string[] {
  if (parts.cluster.name === undefined || parts.options.cluster?.noAdvertise === true) return [];
  const own = parts.lameDuck ? [] : ownUrls(parts.options, parts.port);
  const urls: string[] = [];
  let bytes = 0;
  for (const url of new Set([...own, ...parts.cluster.peerUrls])) {
    bytes += url.length + 3;
    if (bytes > MAX_URL_BYTES) break;
    urls.push(url);
  }
  return urls;
}
