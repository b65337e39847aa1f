/** Monitoring answers in the reference's form (spec cli-config-monitoring, section 5.1). */
import type { Nanos } from "../protocol/units.ts";

/** A complete HTTP answer. */
export interface Page {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** JSON indented by two blanks, with Go's escapes; or a call of `callback` with it. */
export function jsonPage(value: unknown, callback: string | null): Page {
  const body = escaped(JSON.stringify(value, undefined, 2));
  if (callback !== null && callback !== "") {
    return { status: 200, headers: { "Content-Type": "application/javascript" }, body: `${callback}(${body})` };
  }
  return {
    status: 200,
    headers: { "Content-Type": "application/json", "Access-Control-Allow-Origin": "*" },
    body,
  };
}

/** Plain text with a final line end. */
export function errorPage(status: number, text: string): Page {
  return {
    status,
    headers: { "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff" },
    body: `${text}\n`,
  };
}

const ESCAPES: Readonly<Record<string, string>> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029",
};

function escaped(json: string): string {
  return json.replace(/[<>&\u2028\u2029]/g, (character) => ESCAPES[character]!);
}

/** RFC 3339 in the local zone, up to nine fraction digits with trailing zeros cut. */
export function localTime(wall: Nanos): string {
  const seconds = wall / 1_000_000_000n;
  const date = new Date(Number(seconds) * 1000);
  const offset = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, 19);
  const fraction = (wall % 1_000_000_000n).toString().padStart(9, "0").replace(/0+$/, "");
  return `${local}${fraction === "" ? "" : `.${fraction}`}${zone(offset)}`;
}

function zone(offset: number): string {
  if (offset === 0) return "Z";
  const minutes = Math.abs(offset);
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  return `${offset < 0 ? "-" : "+"}${two(minutes / 60)}:${two(minutes % 60)}`;
}

/** `1y2d3h4m5s` without leading zero parts; a year is 365 days. */
export function uptime(nanos: Nanos): string {
  const total = Number(nanos / 1_000_000_000n);
  const parts: [number, string][] = [
    [Math.floor(total / 31_536_000), "y"],
    [Math.floor(total / 86_400) % 365, "d"],
    [Math.floor(total / 3_600) % 24, "h"],
    [Math.floor(total / 60) % 60, "m"],
    [total % 60, "s"],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  return parts.slice(first < 0 ? 4 : first).map(([value, unit]) => `${value}${unit}`).join("");
}
