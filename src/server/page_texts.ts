/** Texts of the streaming pages (spec cli-config-monitoring, section 5.1). */
import type { Page } from "../protocol/json_page.ts";
import type { Nanos } from "../protocol/units.ts";

/** Plain text with a final line end. */
export function errorPage(status: number, text: string): Page {
  return {
    status,
    headers: { "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff" },
    body: `${text}\n`,
  };
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
