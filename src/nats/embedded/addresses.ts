/** Where clients reach this server, in the forms of the protocol. */
import type { EmbeddedNatsOptions } from "./options.ts";

/** Where clients reach this server, as `host:port`; what routes tell other servers. */
export function ownUrls(options: EmbeddedNatsOptions, port: number): string[] {
  const advertised = advertisedAddress(options, port);
  if (advertised !== undefined) return [hostPort(advertised.host, advertised.port)];
  const any = options.host === "0.0.0.0" || options.host === "::" || options.host === "";
  const reached = (address: string) => options.host !== "0.0.0.0" || !address.includes(":");
  const hosts = any ? (options.localAddresses ?? []).filter(reached) : [options.host];
  return (hosts.length === 0 ? [options.host] : hosts).map((host) => hostPort(host, port));
}

/** Where the options say that clients are to connect; `undefined` when they do not say so. */
export function advertisedAddress(
  options: EmbeddedNatsOptions,
  port: number,
): { host: string; port: number } | undefined {
  if (options.clientAdvertise === undefined || options.clientAdvertise === "") return undefined;
  const found = /^(?:\[(.+)\]|([^:]*))(?::(\d+))?$/.exec(options.clientAdvertise);
  if (found === null) return { host: options.clientAdvertise, port };
  return { host: found[1] ?? found[2]!, port: Number(found[3] ?? 0) || port };
}

/** `host:port`, with an IPv6 address in brackets. */
export function hostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
