/** The lines about cluster and limits that a server logs when it starts (spec cli-config-monitoring, section 3.3). */
import type { ServerInfo } from "../protocol/stored_records.ts";
import type { Nanos } from "../protocol/units.ts";
import {
  type ChannelLimits,
  DEFAULT_LIMITS,
  goDuration,
  type ResolvedLimits,
  widerPatterns,
} from "../streaming/mod.ts";

/** The line that ends the table, as wide as its titles. */
const LAST = "-".repeat(34);
/** Columns of a value. */
const VALUE_WIDTH = 13;
const TITLE = " List of Channels ";

/** What a clustered server says of itself before the table. `peers` without the own node. */
export function clusterLines(
  { nodeId, logPath }: { readonly nodeId: string; readonly logPath: string },
  peers: readonly string[] | null,
): string[] {
  const known = peers ?? [];
  return [
    `Cluster Node ID : ${nodeId}`,
    `Cluster Log Path: ${logPath}`,
    ...(known.length === 0 ? [] : ["Cluster known peers:"]),
    ...known.map((peer, index) => `peer ${index + 1}: ${JSON.stringify(peer)}`),
  ];
}

/** The limits as configured: the global ones, and those of channels and patterns with inheritance settled. */
export interface BannerLimits extends ChannelLimits {
  readonly maxChannels: number;
  /** The configured names and patterns. */
  readonly names: readonly string[];
  readonly resolved: ResolvedLimits;
}

/** The table's lines. */
export function limitsTable(limits: BannerLimits): string[] {
  const defaults = DEFAULT_LIMITS.channels[0]!;
  const row = (label: string, value: string, isDefault: boolean) =>
    `${label}${value.padStart(VALUE_WIDTH)}${isDefault ? " *" : ""}`;
  const rows = FIELDS.map(({ name, text, of }) =>
    row(`  ${name.padEnd(13)}: `, text(limits), of(limits) === of(defaults))
  );
  return [
    "---------- Store Limits ----------",
    row("Channels:        ", count(limits.maxChannels), limits.maxChannels === DEFAULT_LIMITS.maxChannels),
    "--------- Channels Limits --------",
    ...rows,
    ...channelLines(limits),
  ];
}

/** The subjects that clients use, for the debug log. */
export function subjectLines(info: ServerInfo): string[] {
  return [
    `Discover subject:           ${info.discovery}`,
    `Publish subject:            ${info.publish}.>`,
    `Subscribe subject:          ${info.subscribe}`,
    `Subscription Close subject: ${info.subClose}`,
    `Unsubscribe subject:        ${info.unsubscribe}`,
    `Close subject:              ${info.close}`,
  ];
}

interface Field {
  readonly name: string;
  readonly of: (limits: ChannelLimits) => number | bigint;
  readonly text: (limits: ChannelLimits) => string;
}

const FIELDS: readonly Field[] = [
  { name: "Subscriptions", of: (limits) => limits.maxSubscriptions, text: (limits) => count(limits.maxSubscriptions) },
  { name: "Messages", of: (limits) => limits.maxMessages, text: (limits) => count(limits.maxMessages) },
  { name: "Bytes", of: (limits) => limits.maxBytes, text: (limits) => friendlyBytes(limits.maxBytes) },
  { name: "Age", of: (limits) => limits.maxAge, text: (limits) => span(limits.maxAge) },
  { name: "Inactivity", of: (limits) => limits.maxInactivity, text: (limits) => span(limits.maxInactivity) },
];

function count(value: number): string {
  return value === 0 ? "unlimited" : String(value);
}

function span(value: Nanos): string {
  return value === 0n ? "unlimited" : goDuration(value);
}

const UNITS = ["KB", "MB", "GB", "TB", "PB", "EB"];

/** `12 B`, `1.50 KB`: two decimals from 1024 on. */
function friendlyBytes(bytes: number): string {
  if (bytes === 0) return "unlimited";
  if (bytes < 1024) return `${bytes} B`;
  const power = Math.min(UNITS.length, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(2)} ${UNITS[power - 1]}`;
}

/** The channels with limits of their own, each below those it inherits from. */
function channelLines({ names, resolved, ...global }: BannerLimits): string[] {
  if (names.length === 0) return [LAST];
  const deepest = Math.max(...names.map((name) => name.split(".").length));
  const lines: string[] = [];
  for (const name of [...names].sort(byTokens)) {
    const wider = widerPatterns(name, names);
    const indent = " ".repeat(wider.length);
    const own = resolvedOf(name, resolved) ?? global;
    const parent = wider.length === 0 ? global : resolvedOf(wider[wider.length - 1]!, resolved) ?? global;
    lines.push(indent + name);
    for (const { name: field, of, text } of FIELDS) {
      if (of(own) === of(parent)) continue;
      const padding = " ".repeat(Math.max(0, deepest - wider.length));
      lines.push(`${indent} |-> ${field.padEnd(13)} ${padding}${text(own).padStart(VALUE_WIDTH)}`);
    }
  }
  const width = Math.max(LAST.length, ...lines.map((line) => line.length));
  const left = Math.floor((width - TITLE.length) / 2);
  return [(("-".repeat(left)) + TITLE).padEnd(width, "-"), ...lines, "-".repeat(width)];
}

function resolvedOf(name: string, { channels }: ResolvedLimits): ChannelLimits | undefined {
  return channels.find(({ pattern }) => pattern === name);
}

/** Token by token; `>` and `*` before names, so that wider entries come first. */
function byTokens(a: string, b: string): number {
  const left = a.split(".");
  const right = b.split(".");
  for (let i = 0; i < left.length && i < right.length; i++) {
    const difference = rank(left[i]!) - rank(right[i]!) || (left[i]! < right[i]! ? -1 : left[i]! > right[i]! ? 1 : 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

function rank(token: string): number {
  return token === ">" ? 0 : token === "*" ? 1 : 2;
}
