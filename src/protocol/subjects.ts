/** The NATS subjects of a streaming cluster, and which names a channel may have (spec streaming, sections 1.4 and 4.2). */
import type { ServerInfo } from "./stored_records.ts";

/** The subjects that a new server of this cluster id would use; an existing store's record takes precedence. */
export function serverInfo(clusterId: string, discoverPrefix: string, nodeId: string): ServerInfo {
  return {
    clusterId,
    discovery: `${discoverPrefix}.${clusterId}`,
    publish: `_STAN.pub.${clusterId}`,
    subscribe: `_STAN.sub.${clusterId}`,
    unsubscribe: `_STAN.unsub.${clusterId}`,
    close: `_STAN.close.${clusterId}`,
    subClose: `_STAN.subclose.${clusterId}`,
    acksSubs: `_STAN.ack.${clusterId}`,
    nodeId,
    clusterIdentity: "",
  };
}

/** Where client pings arrive. */
export function pingSubject(info: ServerInfo): string {
  return `${info.discovery}.pings`;
}

/** Where active and standby servers of a fault tolerant group hear of each other. */
export function faultToleranceSubject(clusterId: string, group: string): string {
  return `_STAN.ft.${clusterId}.${group}`;
}

/** Where the active servers of all fault tolerance groups of a cluster id do. */
export function allFaultToleranceSubjects(clusterId: string): string {
  return `_STAN.ft.${clusterId}.>`;
}

/** Where partitioned servers compare their channels. */
export function partitionSubject(clusterId: string): string {
  return `_STAN.part.${clusterId}`;
}

/** Whether `name` may be a channel: no empty token, no `/`, no `*` or `>` anywhere. Everything else is allowed. */
export function isChannelName(name: string): boolean {
  if (name.length === 0) return false;
  let previous = DOT;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code === DOT && previous === DOT) return false;
    if (code === SLASH || code === STAR || code === GREATER) return false;
    previous = code;
  }
  return previous !== DOT;
}

const DOT = 0x2e;
const SLASH = 0x2f;
const STAR = 0x2a;
const GREATER = 0x3e;

/** Whether `name` may stand in the limits' or partitions' list: wildcards as whole tokens, `>` last. */
export function isChannelPattern(name: string): boolean {
  if (name.includes("/")) return false;
  const tokens = name.split(".");
  return tokens.every((token, i) =>
    token !== "" &&
    (token === "*" || (token === ">" && i === tokens.length - 1) || !(token.includes("*") || token.includes(">")))
  );
}

/** Whether `pattern` has a wildcard token. */
export function hasWildcard(pattern: string): boolean {
  return pattern.split(".").some((token) => token === "*" || token === ">");
}

/** Whether a literal subject matches a pattern, token by token. */
export function matches(pattern: string, subject: string): boolean {
  const wanted = pattern.split(".");
  const tokens = subject.split(".");
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i] === ">") return tokens.length > i;
    if (i >= tokens.length || (wanted[i] !== "*" && wanted[i] !== tokens[i])) return false;
  }
  return wanted.length === tokens.length;
}

/** What a name is compared by, so that two channels never differ in case alone. */
export function foldCase(name: string): string {
  return name.toLowerCase();
}
