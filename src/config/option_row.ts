/** What one option is: a row that feeds its flag, its key in files, its help line, its check and its documentation. */
import type { Options } from "./options.ts";

/** Dotted paths of the values in {@link Options}, e.g. `streaming.limits.maxBytes`. */
export type OptionField = Leaf<Options>;

type Leaf<T> = {
  [K in keyof T & string]: T[K] extends readonly unknown[] ? K : T[K] extends object ? `${K}.${Leaf<T[K]>}` : K;
}[keyof T & string];

/**
 * How a value is written, and its type in {@link Options}.
 * - `duration` is kept in milliseconds, `age` in nanoseconds (`bigint`).
 * - `size` is an integer that may have a suffix; as a flag it is text of the configuration language.
 * - `strings` is an array in files, comma separated as a flag.
 * - `special` is read by code of its own.
 */
export type ValueKind = "string" | "bool" | "int" | "size" | "duration" | "age" | "strings" | "special";

/** Where in a file a key stands. */
export type KeyGroup =
  | "streaming"
  | "streaming.tls"
  | "streaming.store_limits"
  | "streaming.store_limits.channels"
  | "streaming.file_options"
  | "streaming.sql_options"
  | "streaming.cluster"
  | "nats"
  | "nats.authorization"
  | "nats.authorization.users"
  | "nats.permissions"
  | "nats.accounts"
  | "nats.tls"
  | "nats.cluster"
  | "nats.cluster.authorization";

/** The groups of the help text, in their order. */
export const HELP_SECTIONS = [
  "Streaming Server Options",
  "Streaming Server Clustering Options",
  "Streaming Server File Store Options",
  "Streaming Server SQL Store Options",
  "Streaming Server TLS Options",
  "Streaming Server Logging Options",
  "Embedded NATS Server Options",
  "Logging Options",
  "Authorization Options",
  "TLS Options",
  "NATS Clustering Options",
  "Common Options",
] as const;

export type HelpSection = (typeof HELP_SECTIONS)[number];

export interface OptionRow {
  /** Where the value is kept; absent for requests such as `-help` and for keys of repeated blocks. */
  readonly field?: OptionField;
  readonly kind: ValueKind;
  /** Names without dashes, the one of the documentation last. */
  readonly flags?: readonly string[];
  readonly group?: KeyGroup;
  /** Lower-case keys, the one of the documentation first. */
  readonly keys?: readonly string[];
  /** The group of the help text; absent: not in it. */
  readonly section?: HelpSection;
  /** What it is, in one line. */
  readonly help: string;
  /** More for the documentation: effects, edges. */
  readonly more?: string;
  /** For the documentation where it does not follow from {@link field}. */
  readonly defaultText?: string;
  /** The placeholder in the help text where the kind does not say it. */
  readonly placeholder?: string;
  /** Tells what is wrong with an effective value, in the words of the start error; `undefined` when it is fine. */
  readonly check?: (value: never) => string | undefined;
}

/** The value at a path. */
export function getField(options: Options, field: OptionField): unknown {
  let value: unknown = options;
  for (const part of field.split(".")) value = (value as Record<string, unknown>)[part];
  return value;
}

/** Puts a value at a path. The caller answers for its type, which the row's kind tells. */
export function setField(options: Options, field: OptionField, value: unknown): void {
  const parts = field.split(".");
  const last = parts.pop() as string;
  let target: unknown = options;
  for (const part of parts) target = (target as Record<string, unknown>)[part];
  (target as Record<string, unknown>)[last] = value;
}

/** What identifies the setting of a flag: aliases share it. */
export function settingOf(row: OptionRow): string {
  return row.field ?? `flag.${row.flags?.at(-1) ?? row.keys?.[0] ?? ""}`;
}
