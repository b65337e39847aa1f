/** Reads a command line by Go's rules for flags (spec cli-config-monitoring, section 1.1). */
import { type OptionRow, settingOf } from "./option_row.ts";
import { rowOfFlag } from "./option_rows.ts";
import { parseDuration } from "./values.ts";

/** A flag as given: its name as typed, without dashes, and its value as the type of its row. */
export interface FlagValue {
  readonly row: OptionRow;
  readonly name: string;
  /** Sizes stay text until they are applied; ages and durations are nanoseconds. */
  readonly value: string | boolean | bigint;
}

export interface ParsedFlags {
  /** By name as typed; of a repeated flag the last. In the order of the last occurrence. */
  readonly given: readonly FlagValue[];
  /** What stands behind the flags. */
  readonly rest: readonly string[];
}

/** A mistake in the syntax of flags; `text` is the line for the terminal. */
export interface FlagMistake {
  readonly mistake: string;
}

/** Parses `args`. */
export function parseFlags(args: readonly string[]): ParsedFlags | FlagMistake {
  const given = new Map<string, FlagValue>();
  let at = 0;
  while (at < args.length) {
    const argument = args[at] as string;
    if (!argument.startsWith("-") || argument === "-") break;
    at++;
    if (argument === "--") break;
    const text = argument.slice(argument.startsWith("--") ? 2 : 1);
    if (text === "" || text.startsWith("-") || text.startsWith("=")) return { mistake: `bad flag syntax: ${argument}` };
    const equals = text.indexOf("=");
    const name = equals === -1 ? text : text.slice(0, equals);
    const row = rowOfFlag(name);
    if (row === undefined) return { mistake: `flag provided but not defined: -${name}` };
    let value = equals === -1 ? undefined : text.slice(equals + 1);
    if (value === undefined && row.kind !== "bool") {
      value = args[at++];
      if (value === undefined) return { mistake: `flag needs an argument: -${name}` };
    }
    const parsed = flagValue(row, name, value);
    if (typeof parsed === "object") return parsed;
    given.delete(name);
    given.set(name, { row, name, value: parsed });
  }
  return { given: [...given.values()], rest: args.slice(at) };
}

/** The last value of a setting under any of its names; `undefined` when it was not given. */
export function givenValue(flags: ParsedFlags, setting: string): string | boolean | bigint | undefined {
  return flags.given.findLast((flag) => settingOf(flag.row) === setting)?.value;
}

function flagValue(row: OptionRow, name: string, text: string | undefined): string | boolean | bigint | FlagMistake {
  if (row.kind === "bool") {
    const value = text === undefined ? true : BOOLEANS.get(text);
    return value ?? { mistake: `invalid boolean value "${text}" for -${name}: parse error` };
  }
  const given = text ?? "";
  switch (row.kind) {
    case "int": {
      const value = parseFlagInteger(given);
      return typeof value === "string" ? { mistake: `invalid value "${given}" for flag -${name}: ${value}` } : value;
    }
    case "duration":
    case "age":
      try {
        return parseDuration(given);
      } catch {
        return { mistake: `invalid value "${given}" for flag -${name}: parse error` };
      }
    default:
      return given;
  }
}

const BOOLEANS = new Map<string, boolean>([
  ...["1", "t", "T", "true", "TRUE", "True"].map((text): [string, boolean] => [text, true]),
  ...["0", "f", "F", "false", "FALSE", "False"].map((text): [string, boolean] => [text, false]),
]);

/** A 64-bit integer with optional sign, base prefix and `_` between digits; else what is wrong with it. */
export function parseFlagInteger(text: string): bigint | "parse error" | "value out of range" {
  const sign = /^[+-]/.test(text) ? text.slice(0, 1) : "";
  const body = text.slice(sign.length).toLowerCase();
  if (!WELL_FORMED.test(body)) return "parse error";
  const plain = body.replaceAll("_", "");
  const octal = /^0[0-7]+$/.test(plain);
  const magnitude = BigInt(octal ? `0o${plain.slice(1)}` : plain);
  const value = sign === "-" ? -magnitude : magnitude;
  return value > 2n ** 63n - 1n || value < -(2n ** 63n) ? "value out of range" : value;
}

const WELL_FORMED = /^(?:0x(?:_?[0-9a-f])+|0b(?:_?[01])+|0o(?:_?[0-7])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)$/;
