/** Addresses of other servers' route ports. */
import { hostPort } from "../addresses.ts";

/** One server to dial. */
export interface RouteUrl {
  readonly host: string;
  readonly port: number;
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** Named by the operator, not heard of from another server. */
  readonly configured: boolean;
}

/** A route as it stands in a configuration: `nats-route://[user:password@]host:port`. Throws RangeError when it is none. */
export function parseRouteUrl(text: string): RouteUrl {
  const url = urlOf(text);
  if (url === undefined) {
    throw new RangeError(`${JSON.stringify(text)} is no URL of a route: write nats-route://host:port`);
  }
  const user = url.username === "" ? undefined : decodeURIComponent(url.username);
  return {
    ...addressIn(url),
    user,
    password: user === undefined ? undefined : decodeURIComponent(url.password),
    configured: true,
  };
}

/** The address that gossip names; `undefined` when it names none. */
export function parseGossipAddress(text: string): { host: string; port: number } | undefined {
  const url = urlOf(text);
  return url === undefined ? undefined : addressIn(url);
}

/** `host:port`, as log lines and comparisons want it. */
export function nameOf(url: { readonly host: string; readonly port: number }): string {
  return hostPort(url.host, url.port);
}

function urlOf(text: string): URL | undefined {
  try {
    const url = new URL(text.includes("://") ? text : `nats-route://${text}`);
    return url.hostname === "" || url.port === "" ? undefined : url;
  } catch {
    return undefined;
  }
}

function addressIn(url: URL): { host: string; port: number } {
  return { host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port) };
}
