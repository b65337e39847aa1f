/** What the NATS pages' parameters and texts look like (spec nats-server, section 5). */
import type { Page } from "../../../protocol/json_page.ts";
import type { Millis, Nanos } from "../../../protocol/units.ts";

/** A parameter that cannot be taken; the message is the answer, with status 400. */
export class BadParameter extends Error {
  override readonly name = "BadParameter";
}

/** Plain text without a final line end. */
export function badRequest(text: string): Page {
  return { status: 400, headers: { "Content-Type": "text/plain; charset=utf-8" }, body: text };
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
