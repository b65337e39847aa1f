/** Values as text: integers with size suffixes, floats, dates, and durations. */
import { ConfigError } from "./errors.ts";
import { ConfigDate } from "./tree.ts";

const MAX_INT64 = 2n ** 63n - 1n;
const MIN_INT64 = -(2n ** 63n);

/** An integer of a file, e.g. `10`, `-1`, `10k` (1000), `10kb` or `10KiB` (1024). Throws when it is no 64-bit number. */
export function parseInteger(text: string): bigint {
  const match = /^(-?\d+)(?:([kmgtpe])(b|i|ib|))?$/i.exec(text);
  if (match === null) throw new ConfigError(`integer '${text}' is not a number`);
  const [, digits = "0", unit = "", binary = ""] = match;
  const whole = BigInt(digits);
  if (whole > MAX_INT64 || whole < MIN_INT64) {
    throw new ConfigError(`integer '${digits}${unit}${binary}' is out of the range`);
  }
  const power = BigInt("kmgtpe".indexOf(unit.toLowerCase() || "?") + 1);
  const value = whole * (binary === "" ? 1000n : 1024n) ** power;
  if (value > MAX_INT64 || value < MIN_INT64) throw new ConfigError(`integer '${text}' is out of the range`);
  return value;
}

/** A float of a file: digits, a point, digits. Throws when it is too large. */
export function parseFloatText(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value)) throw new ConfigError(`float '${text}' is out of the range`);
  return value;
}

/** A date of a file, whose form is checked already. Throws when there is no such day or time. */
export function parseDate(text: string): ConfigDate {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = text.split(/[-T:Z]/).map(Number);
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0;
  if (day < 1 || day > days || hour > 23 || minute > 59 || second > 59) {
    throw new ConfigError(`expected Zulu formatted DateTime, but got '${text}'`);
  }
  return new ConfigDate(text);
}

const UNITS = new Map([
  ["ns", 1n],
  ["us", 1_000n],
  ["µs", 1_000n],
  ["μs", 1_000n],
  ["ms", 1_000_000n],
  ["s", 1_000_000_000n],
  ["m", 60_000_000_000n],
  ["h", 3_600_000_000_000n],
]);

/**
 * The nanoseconds of a duration such as `1h30m`, `-1.5s` or `0`. Throws a ConfigError whose text begins with `time: `
 * (spec cli-config-monitoring, section 2.4).
 */
export function parseDuration(text: string): bigint {
  const signed = /^[+-]/.test(text) ? text.slice(1) : text;
  if (signed === "0") return 0n;
  if (signed === "") throw invalidDuration(text);
  let total = 0n;
  let rest = signed;
  while (rest !== "") {
    const number = /^(\d*)(?:\.(\d*))?/.exec(rest);
    const whole = number?.[1] ?? "";
    const fraction = number?.[2] ?? "";
    if (whole === "" && fraction === "") throw invalidDuration(text);
    rest = rest.slice(number?.[0].length);
    const unit = /^[^.\d]*/.exec(rest)?.[0] ?? "";
    if (unit === "") throw new ConfigError(`time: missing unit in duration ${quoted(text)}`);
    const scale = UNITS.get(unit);
    if (scale === undefined) throw new ConfigError(`time: unknown unit ${quoted(unit)} in duration ${quoted(text)}`);
    rest = rest.slice(unit.length);
    total += BigInt(whole === "" ? "0" : whole) * scale + fractionOf(fraction, scale);
    if (total > MAX_INT64) throw invalidDuration(text);
  }
  return text.startsWith("-") ? -total : total;
}

function fractionOf(digits: string, scale: bigint): bigint {
  if (digits === "") return 0n;
  const kept = digits.slice(0, 18);
  return (BigInt(kept) * scale) / 10n ** BigInt(kept.length);
}

function invalidDuration(text: string): ConfigError {
  return new ConfigError(`time: invalid duration ${quoted(text)}`);
}

/** In double quotes, with escapes for quotes, backslashes and control characters. */
export function quoted(text: string): string {
  // deno-lint-ignore no-control-regex
  const escaped = text.replace(/["\\\u0000-\u001f\u007f]/g, (character) => {
    const named = new Map([["\n", "\\n"], ["\r", "\\r"], ["\t", "\\t"], ['"', '\\"'], ["\\", "\\\\"]]).get(character);
    return named ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return `"${escaped}"`;
}

/** A duration as logs and errors print it: `1h0m0s`, `1.5s`, `500ms`, `0s`. */
export function durationText(nanoseconds: bigint): string {
  if (nanoseconds === 0n) return "0s";
  const sign = nanoseconds < 0n ? "-" : "";
  const span = nanoseconds < 0n ? -nanoseconds : nanoseconds;
  if (span < 1_000n) return `${sign}${span}ns`;
  if (span < 1_000_000n) return `${sign}${decimal(span, 1_000n)}µs`;
  if (span < 1_000_000_000n) return `${sign}${decimal(span, 1_000_000n)}ms`;
  const minutes = span / 60_000_000_000n;
  const seconds = `${decimal(span % 60_000_000_000n, 1_000_000_000n)}s`;
  if (minutes === 0n) return sign + seconds;
  const hours = minutes / 60n;
  return hours === 0n ? `${sign}${minutes}m${seconds}` : `${sign}${hours}h${minutes % 60n}m${seconds}`;
}

/** The same of milliseconds. */
export function millisText(millis: number): string {
  return durationText(BigInt(Math.round(millis * 1e6)));
}

function decimal(value: bigint, unit: bigint): string {
  const fraction = String(value % unit).padStart(String(unit).length - 1, "0").replace(/0+$/, "");
  return fraction === "" ? String(value / unit) : `${value / unit}.${fraction}`;
}
