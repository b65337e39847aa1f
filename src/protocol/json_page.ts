/** Monitoring answers in the reference's form, of both servers (spec cli-config-monitoring, section 5.1). */
import type { Nanos } from "./units.ts";

/** A complete HTTP answer. */
export interface Page {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
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

/** `1y2d3h4m5s` without leading zero parts; a year is 365 days. */
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
