/** Where `-remote_syslog` sends lines to (spec cli-config-monitoring, section 3.2). */
import { parseNatsUrl, splitHostPort } from "./addresses.ts";
import { ConfigError } from "./errors.ts";
import type { NatsOptions } from "./nats_options.ts";
import { quoted } from "./values.ts";

/** A syslog server; `local` is the one of this machine. */
export type SyslogTarget =
  | { readonly network: "local" }
  | { readonly network: "udp" | "tcp"; readonly host: string; readonly port: number }
  | { readonly network: "unix"; readonly path: string };

/** The syslog that lines go to; `undefined` when they go elsewhere. Throws {@link ConfigError}. */
export function syslogTarget({ logFile, syslog, remoteSyslog }: NatsOptions): SyslogTarget | undefined {
  if (logFile !== "") return undefined;
  if (remoteSyslog !== "") return remoteTarget(remoteSyslog);
  return syslog ? { network: "local" } : undefined;
}

function remoteTarget(text: string): SyslogTarget {
  const { address } = parseNatsUrl(text);
  const [, network = "", path = ""] = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/[^/]*(.*)$/.exec(text) ?? [];
  if (network === "unix") return { network, path };
  if (network !== "udp" && network !== "tcp") throw new ConfigError(`error invalid network type: ${quoted(network)}`);
  try {
    const { host, port } = splitHostPort(address);
    return { network, host: host === "" ? "localhost" : host, port: Number(port) };
  } catch (cause) {
    const { message } = cause as ConfigError;
    throw new ConfigError(`error connecting to syslog: ${quoted(`dial ${network}: ${message}`)}`, { cause });
  }
}
