/** Reads addresses of the NATS server that are a port or `host:port`. */
import { splitHostPort } from "./addresses.ts";
import type { NatsProblems } from "./nats_problems.ts";
import { type Entry, natsKind } from "./tree.ts";
import { quoted } from "./values.ts";

/** The address of an entry; `undefined` after noting an error. An integer leaves the host empty. */
export function readListen(entry: Entry, problems: NatsProblems): { host: string; port: number } | undefined {
  const { value } = entry;
  if (typeof value === "bigint") return { host: "", port: Number(value) };
  if (typeof value !== "string") {
    problems.error(entry, `expected port or host:port, got ${natsKind(value)}`);
    return undefined;
  }
  try {
    const { host, port } = splitHostPort(value);
    if (/^[+-]?\d{1,18}$/.test(port)) return { host, port: Number(port) };
    problems.error(entry, `could not parse port ${quoted(port)}`);
  } catch {
    problems.error(entry, `could not parse address string ${quoted(value)}`);
  }
  return undefined;
}
