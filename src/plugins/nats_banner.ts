/** The lines by which the NATS server announces itself (spec cli-config-monitoring, section 3.3, lines 5 to 10). */
import type { NatsOptions } from "../config/mod.ts";
import type { Log } from "../ports/log.ts";
import type { Address } from "../ports/network.ts";

/** What a started server knows of itself. */
export interface NatsIdentity {
  readonly version: string;
  readonly serverName: string;
  readonly serverId: string;
  readonly address: Address;
}

/** Logs them. Scripts wait for the line with the address. */
export function announceNats(server: NatsIdentity, options: NatsOptions, log: Log): void {
  log.notice("Starting nats-server");
  log.notice(`  Version:  ${server.version}`);
  log.notice("  Git:      [not set]");
  log.notice(`  Name:     ${server.serverName}`);
  log.notice(`  ID:       ${server.serverId}`);
  if (hasPlainPasswords(options)) log.warn("Plaintext passwords detected, use nkeys or bcrypt");
  if (options.configFile !== "") log.notice(`Using configuration file: ${options.configFile}`);
  const { host, port } = server.address;
  log.notice(`Listening for client connections on ${host.includes(":") ? `[${host}]` : host}:${port}`);
  if (options.tls !== undefined) log.notice("TLS required for client connections");
  log.notice("Server is ready");
}

/** Whether some user's password stands in the configuration as it is. */
function hasPlainPasswords({ password, users }: NatsOptions): boolean {
  const isPlain = (text: string) => text !== "" && !/^\$2[abxy]\$\d\d\$/.test(text);
  return isPlain(password) || users.some((user) => isPlain(user.password));
}
