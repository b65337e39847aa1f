/** Monitoring answers in the reference's form (spec cli-config-monitoring, section 5.1). */
import type { Millis, Nanos } from "../../../protocol/units.ts";

/** A complete HTTP answer. */
export interface Page {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A parameter that cannot be taken; the message is the answer, with status 400. */
export class BadParameter extends Error {
  override readonly name = "BadParameter";
}

/** JSON indented by two blanks or by `indent`, with Go's escapes; or a call of `callback` with it. */
export function jsonPage(value: unknown, callback: string | null, indent = "  ", status = 200): Page {
  const body = escaped(JSON.stringify(value, undefined, indent));
  if (callback !== null && callback !== "") {
    return { status, headers: { "Content-Type": "application/javascript" }, body: `${callback}(${body})` };
  }
  return {
    status,
    headers: { "Content-Type": "application/json", "Access-Control-Allow-Origin": "*" },
    body,
  };
}

/** Plain text without a final line end. */
export function badRequest(text: string): Page {
  return { status: 400, headers: { "Content-Type": "text/plain; charset=utf-8" }, body: text };
}

const escapes: Readonly<Record<string, string>> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029",
};

function escaped(json: string): string {
  return json.replace(/[<>&\u2028\u2029]/g, (character) => escapes[character]!);
}

/** Text of one byte a character, as the tree holds subjects, read as UTF-8. */
export function readable(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 127) return new TextDecoder().decode(Uint8Array.from(text, (c) => c.charCodeAt(0)));
  }
  return text;
}

/** RFC 3339 in UTC with up to nine digits of a second. */
export function timeText(time: Nanos): string {
  const seconds = time / 1_000_000_000n;
  const fraction = (time % 1_000_000_000n).toString().padStart(9, "0").replace(/0+$/, "");
  const whole = new Date(Number(seconds) * 1_000).toISOString().slice(0, 19);
  return `${whole}${fraction === "" ? "" : `.${fraction}`}Z`;
}

/** A span in Go's form with the unit that fits, e.g. `168µs`, `1.027103ms`, `2.5s`. */
export function spanText(span: Millis): string {
  const nanos = Math.round(span * 1e6);
  if (nanos < 1_000) return `${nanos}ns`;
  if (nanos < 1_000_000) return `${trimmed(nanos, 3)}µs`;
  if (nanos < 1_000_000_000) return `${trimmed(nanos, 6)}ms`;
  return `${trimmed(nanos, 9)}s`;
}

function trimmed(nanos: number, digits: number): string {
  return (nanos / 10 ** digits).toFixed(digits).replace(/0+$/, "").replace(/\.$/, "");
}

/** `1y2d3h4m5s` without leading zero parts. */
export function uptimeText(span: Nanos): string {
  let rest = span > 0n ? span / 1_000_000_000n : 0n;
  const parts: [bigint, string][] = [];
  for (const [unit, name] of [[31_536_000n, "y"], [86_400n, "d"], [3_600n, "h"], [60n, "m"], [1n, "s"]] as const) {
    parts.push([rest / unit, name]);
    rest %= unit;
  }
  const first = parts.findIndex(([count]) => count > 0n);
  return parts.slice(first < 0 ? 4 : first).map(([count, name]) => `${count}${name}`).join("");
}

/** `absent` when the parameter is missing or empty. */
export function numberParameter(query: URLSearchParams, name: string, absent: number): number {
  const text = query.get(name);
  if (text === null || text === "") return absent;
  if (/^[+-]?\d{1,15}$/.test(text)) return Number(text);
  throw new BadParameter(
    `Error decoding int for '${name}': strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`,
  );
}

/** An id of a connection; 0 when missing. */
export function idParameter(query: URLSearchParams, name: string): number {
  const text = query.get(name);
  if (text === null || text === "") return 0;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  const quoted = JSON.stringify(text);
  throw new BadParameter(`Error decoding uint64 for '${name}': strconv.ParseUint: parsing ${quoted}: invalid syntax`);
}

const truths = new Set(["1", "t", "T", "true", "TRUE", "True"]);
const falsehoods = new Set(["0", "f", "F", "false", "FALSE", "False"]);

export function booleanParameter(query: URLSearchParams, name: string): boolean {
  const text = query.get(name);
  if (text === null || text === "" || falsehoods.has(text)) return false;
  if (truths.has(text)) return true;
  const quoted = JSON.stringify(text);
  throw new BadParameter(`Error decoding boolean for '${name}': strconv.ParseBool: parsing ${quoted}: invalid syntax`);
}

/** Whether subscriptions are wanted, and with their details. */
export function subsParameter(query: URLSearchParams): { readonly list: boolean; readonly detail: boolean } {
  const detail = query.get("subs")?.toLowerCase() === "detail";
  return { list: detail || booleanParameter(query, "subs"), detail };
}

/** The part of a list that is asked for. */
export function pageParameters(query: URLSearchParams): { readonly offset: number; readonly limit: number } {
  const limit = numberParameter(query, "limit", 0);
  return { offset: Math.max(0, numberParameter(query, "offset", 0)), limit: limit <= 0 ? 1_024 : limit };
}
