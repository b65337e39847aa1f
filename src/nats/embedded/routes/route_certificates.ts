/** Servers that a certificate proves, instead of a password (spec nats-server, section 3.9). */
import type { PeerCertificate } from "../../../ports/network.ts";
import type { RouteTlsOptions } from "../options.ts";
import type { RouteUrl } from "./route_urls.ts";
import { sameName } from "../security/mod.ts";

/** Whether it is the certificate that decides who may dial in. */
export function certificatesDecide(tls: RouteTlsOptions | undefined): boolean {
  return tls?.verifyAndMap === true || tls?.knownUrlsOnly === true;
}

/** What certificates are compared with. */
export interface Known {
  /** The configured routes. */
  readonly urls: readonly RouteUrl[];
  /** The user that routes must name; `undefined` when there is none. */
  readonly user: string | undefined;
}

/** Whether a dialing server's certificate names a configured route (`knownUrlsOnly`) or the routes' user (`verifyAndMap`). */
export function certificateAdmits(
  certificate: PeerCertificate | undefined,
  tls: RouteTlsOptions,
  { urls, user }: Known,
): boolean {
  if (certificate === undefined) return false;
  const { dnsNames, emails, uris, subject } = certificate;
  if (tls.knownUrlsOnly === true && urls.some((url) => dnsNames.some((name) => isNameOf(name, url.host)))) return true;
  if (tls.verifyAndMap !== true || user === undefined) return false;
  return [...emails, ...dnsNames, ...uris].includes(user) || sameName(user, subject);
}

/** Whether a name in a certificate stands for a host; its first label may be `*`. */
function isNameOf(name: string, host: string): boolean {
  const labels = name.toLowerCase().split(".");
  const wanted = host.toLowerCase().split(".");
  if (labels.length !== wanted.length) return false;
  return labels.every((label, i) => label === wanted[i] || (i === 0 && label === "*"));
}
