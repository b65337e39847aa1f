/** Puts the streaming part of a file into the options (spec cli-config-monitoring, section 2.4). */
import { isValidChannelPattern } from "./channel_names.ts";
import { ConfigError } from "./errors.ts";
import { type KeyGroup, type OptionRow, setField, type ValueKind } from "./option_row.ts";
import { OPTION_ROWS, rowOfKey } from "./option_rows.ts";
import type { ChannelLimitsEntry, Options } from "./options.ts";
import { channelLimitRows } from "./rows_stores.ts";
import { UNSUPPORTED_NATS_KEYS } from "./rows_nats_blocks.ts";
import { ConfigMap, type Entry, type Node, shownValue, streamingKind } from "./tree.ts";
import { parseDuration } from "./values.ts";

/** Keys that tell a NATS `cluster` block from a streaming one in a file without `streaming` block. */
const NATS_CLUSTER_KEYS = ["listen", "host", "net", "port", "routes", "name"];

/**
 * Binds the `streaming` block of a file, or all its top-level keys when it has none. Warnings about keys that mean nothing
 * are appended to `warnings`. Throws {@link ConfigError} for the first mistake.
 *
 * In a file without `streaming` block a `cluster` block that can only be the NATS one leaves streaming clustering alone
 * (spec clustering, section 2).
 */
export function bindStreaming(tree: ConfigMap, options: Options, warnings: string[]): void {
  const section = tree.find("streaming");
  if (section !== undefined && !(section.value instanceof ConfigMap)) {
    throw new ConfigError(`expected streaming section to be a map/struct, got ${shownValue(section.value)}`);
  }
  const map = section === undefined ? tree : section.value as ConfigMap;
  new StreamingBinder(options, warnings, section === undefined).group("streaming", map);
}

class StreamingBinder {
  readonly #options: Options;
  readonly #warnings: string[];
  /** The keys of both parts share one map. */
  readonly #flat: boolean;

  constructor(options: Options, warnings: string[], flat: boolean) {
    this.#options = options;
    this.#warnings = warnings;
    this.#flat = flat;
  }

  group(group: KeyGroup, map: ConfigMap): void {
    for (const entry of map.entries.values()) {
      const row = rowOfKey(group, entry.key);
      if (row === undefined) this.#other(group, entry);
      else if (row.kind === "special") this.#special(row, entry);
      else this.#plain(row, entry);
    }
  }

  #plain(row: OptionRow, entry: Entry): void {
    if (row.field === undefined) return;
    setField(this.#options, row.field, convert(row.kind, shownKey(row, entry), entry));
    if (row.field === "streaming.encryptionKey") this.#options.streaming.encrypt = true;
  }

  #special(row: OptionRow, entry: Entry): void {
    if (row.field === "streaming.store") this.#options.streaming.store = storeType(entry);
    if (row.field === "streaming.limits.channels") this.#channels(entry);
  }

  /** A nested group, or a key that means nothing here. */
  #other(group: KeyGroup, entry: Entry): void {
    const nested = group === "streaming" ? NESTED.get(entry.key.toLowerCase()) : undefined;
    if (nested === undefined) return this.#unknown(group, entry);
    if (!(entry.value instanceof ConfigMap)) {
      throw new ConfigError(`expected ${nested.name} to be a map/struct, got ${shownValue(entry.value)}`);
    }
    if (nested.group === "streaming.cluster") {
      if (this.#flat && isNatsCluster(entry.value)) return;
      this.#options.streaming.cluster.clustered = true;
    }
    this.group(nested.group, entry.value);
  }

  #channels(entry: Entry): void {
    if (!(entry.value instanceof ConfigMap)) {
      throw new ConfigError(`expected per channel limits to be a map/struct, got ${shownValue(entry.value)}`);
    }
    const { limits } = this.#options.streaming;
    limits.channels = [];
    for (const channel of entry.value.entries.values()) limits.channels.push(this.#channel(channel));
  }

  #channel(entry: Entry): ChannelLimitsEntry {
    const name = entry.key;
    if (!(entry.value instanceof ConfigMap)) {
      throw new ConfigError(`expected channel limits to be a map/struct, got ${shownValue(entry.value)}`);
    }
    if (!isValidChannelPattern(name)) throw new ConfigError(`invalid channel name "${name}"`);
    const limits: ChannelLimitsEntry = {
      name,
      maxSubscriptions: 0,
      maxMessages: 0,
      maxBytes: 0,
      maxAge: 0n,
      maxInactivity: 0n,
    };
    for (const limit of entry.value.entries.values()) {
      const row = channelLimitRows.find((candidate) => candidate.keys?.includes(limit.key.toLowerCase()));
      if (row === undefined) this.#unknown("streaming.store_limits.channels", limit);
      else Object.assign(limits, { [row.entryField]: orUnlimited(convert(row.kind, limit.key, limit)) });
    }
    return limits;
  }

  #unknown(group: KeyGroup, entry: Entry): void {
    if (entry.used || (this.#flat && isNatsKey(group, entry.key))) return;
    const where = `${entry.file}:${entry.at.line}:${entry.at.column}`;
    this.#warnings.push(`${where}: unknown streaming option "${entry.key}" is ignored${suggestion(group, entry.key)}`);
  }
}

const NESTED = new Map<string, { readonly group: KeyGroup; readonly name: string }>([
  ...["limits", "store_limits", "storelimits"].map((key) =>
    [key, { group: "streaming.store_limits", name: "store limits" }] as const
  ),
  ...["file", "file_options"].map((key) => [key, { group: "streaming.file_options", name: "file options" }] as const),
  ...["sql", "sql_options"].map((key) => [key, { group: "streaming.sql_options", name: "SQL options" }] as const),
  ["tls", { group: "streaming.tls", name: "TLS" }],
  ["cluster", { group: "streaming.cluster", name: "cluster" }],
]);

/** Errors of the SQL group show their key in lower case. */
function shownKey(row: OptionRow, entry: Entry): string {
  return row.group === "streaming.sql_options" ? entry.key.toLowerCase() : entry.key;
}

/** The value of an entry as the type that the options keep. */
function convert(kind: ValueKind, key: string, node: Node): unknown {
  switch (kind) {
    case "bool":
      return expect(node, "boolean", key, "bool");
    case "int":
    case "size":
      return Number(expect(node, "bigint", key, "int64"));
    case "duration":
      return Number(parseDuration(expect(node, "string", key, "string") as string)) / 1e6;
    case "age":
      return parseDuration(expect(node, "string", key, "string") as string);
    case "strings":
      if (!Array.isArray(node.value)) throw typeError(key, "slice", node);
      return node.value.map((element) => expect(element, "string", key, "string"));
    default:
      return expect(node, "string", key, "string");
  }
}

function expect(node: Node, type: "string" | "boolean" | "bigint", key: string, want: string): unknown {
  const { value } = node;
  const found = typeof value;
  if (found !== type) throw typeError(key, want, node);
  return value;
}

function typeError(key: string, want: string, node: Node): ConfigError {
  return new ConfigError(`parameter "${key}" value is expected to be ${want}, got ${streamingKind(node.value)}`);
}

function storeType(entry: Entry): string {
  const name = convert("string", entry.key, entry) as string;
  const type = name.toUpperCase();
  if (type !== "MEMORY" && type !== "FILE" && type !== "SQL") throw new ConfigError(`unknown store type: ${name}`);
  return type;
}

/** In a channel's entry 0 is unlimited, which the options keep as -1 since 0 inherits. */
function orUnlimited(value: unknown): unknown {
  if (value === 0) return -1;
  return value === 0n ? -1n : value;
}

function isNatsCluster(map: ConfigMap): boolean {
  return NATS_CLUSTER_KEYS.some((key) => map.find(key) !== undefined);
}

function isNatsKey(group: KeyGroup, key: string): boolean {
  if (group === "streaming.tls") return rowOfKey("nats.tls", key) !== undefined;
  return group === "streaming" &&
    (rowOfKey("nats", key) !== undefined || UNSUPPORTED_NATS_KEYS.includes(key.toLowerCase()));
}

/** Where a misplaced key belongs. */
function suggestion(group: KeyGroup, key: string): string {
  const lower = key.toLowerCase();
  const row = OPTION_ROWS.find((candidate) =>
    candidate.group?.startsWith("streaming") === true && candidate.group !== group &&
    candidate.keys?.includes(lower) === true
  );
  const place = row?.group === undefined ? undefined : PLACES.get(row.group);
  return place === undefined ? "" : `; it belongs into ${place}`;
}

const PLACES = new Map<KeyGroup, string>([
  ["streaming", "the streaming block itself"],
  ["streaming.tls", "its tls group"],
  ["streaming.store_limits", "its store_limits group"],
  ["streaming.file_options", "its file_options group"],
  ["streaming.sql_options", "its sql_options group"],
  ["streaming.cluster", "its cluster group"],
]);
