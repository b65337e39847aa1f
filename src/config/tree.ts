/** The tree that a configuration file is read into, and its values in the words of error messages. */
import type { Position } from "./cursor.ts";

/** A date of the file; no option takes one. */
export class ConfigDate {
  constructor(readonly text: string) {}
}

/** A map of the file. Keys are as written; a repeated key holds the last value, in the place of the last. */
export class ConfigMap {
  readonly entries = new Map<string, Entry>();

  set(entry: Entry): void {
    this.entries.delete(entry.key);
    this.entries.set(entry.key, entry);
  }

  /** The entry of a key in any letter case; of several the last. */
  find(key: string): Entry | undefined {
    let found: Entry | undefined;
    for (const entry of this.entries.values()) if (entry.key.toLowerCase() === key) found = entry;
    return found;
  }
}

/** Integers are 64 bit, hence `bigint`; `number` is a float. */
export type Value = string | bigint | number | boolean | ConfigDate | Node[] | ConfigMap;

/** A value and where errors about it point to. */
export interface Node {
  value: Value;
  /** The file as it was named, with the folder of the including file. */
  file: string;
  at: Position;
}

/** A key with its value; `at` is the key's place. */
export interface Entry extends Node {
  key: string;
  /** Referenced as a variable somewhere: then it need not be a known option. */
  used: boolean;
}

/** The kind of a value in errors of the streaming part. */
export function streamingKind(value: Value): string {
  if (value instanceof ConfigMap) return "map";
  if (value instanceof ConfigDate) return "struct";
  if (Array.isArray(value)) return "slice";
  return scalarKind(value);
}

/** The kind of a value in errors of the NATS part. */
export function natsKind(value: Value): string {
  if (value instanceof ConfigMap) return "map[string]interface {}";
  if (value instanceof ConfigDate) return "time.Time";
  if (Array.isArray(value)) return "[]interface {}";
  return scalarKind(value);
}

function scalarKind(value: string | bigint | number | boolean): string {
  if (typeof value === "bigint") return "int64";
  if (typeof value === "number") return "float64";
  return typeof value === "boolean" ? "bool" : "string";
}

/** A value as error messages show it: `[a b]`, `map[a:1 b:2]`. */
export function shownValue(value: Value): string {
  if (value instanceof ConfigDate) return `${value.text.replace("T", " ").replace("Z", "")} +0000 UTC`;
  if (Array.isArray(value)) return `[${value.map((node) => shownValue(node.value)).join(" ")}]`;
  if (typeof value === "number") return shownFloat(value);
  if (!(value instanceof ConfigMap)) return String(value);
  const keys = [...value.entries.keys()].sort(compareBytes);
  return `map[${keys.map((key) => `${key}:${shownValue(value.entries.get(key)?.value ?? "")}`).join(" ")}]`;
}

/** Shortest digits; with an exponent of two digits below 1e-4 and from 1e6. */
function shownFloat(value: number): string {
  const [mantissa = "", exponent = "0"] = value.toExponential().split("e");
  const power = Number(exponent);
  if (power >= -4 && power < 6) return Object.is(value, -0) ? "-0" : String(value);
  return `${mantissa}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

/** Order of UTF-8 bytes, in which code points are ordered too. */
export function compareBytes(left: string, right: string): number {
  const a = [...left];
  const b = [...right];
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = (a[i]?.codePointAt(0) ?? 0) - (b[i]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
