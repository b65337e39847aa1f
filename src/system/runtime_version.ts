/** What the runtime's version tells about what works in it. */

import { NetworkFailed } from "../ports/network.ts";

/** Negative when version `a` is older than `b`. */
export function compareVersions(a: string, b: string): number {
  const left = a.split(".");
  const right = b.split(".");
  for (let i = 0; i < 3; i++) {
    const difference = parseInt(left[i] ?? "0") - parseInt(right[i] ?? "0");
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Whether this is Deno 2.9 or later: immediates are fast there, and TLS works on any stream, on both sides. */
export const isCurrentRuntime = compareVersions(Deno.version.deno, "2.9.0") >= 0;

/** The refusal of what an older runtime cannot do. */
export function needsCurrentRuntime(what: string): NetworkFailed {
  return new NetworkFailed("ENOTSUP", `${what} needs Deno 2.9 or later; this is Deno ${Deno.version.deno}`);
}
