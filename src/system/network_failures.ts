/** What the runtime's network errors mean in the words of the network port. */
import { NetworkFailed } from "../ports/network.ts";
import type { Millis } from "../protocol/units.ts";

/** Deno's error classes that come without the operating system's code. */
const codesOfClasses: Readonly<Record<string, string>> = {
  AddrInUse: "EADDRINUSE",
  AddrNotAvailable: "EADDRNOTAVAIL",
  BrokenPipe: "EPIPE",
  ConnectionAborted: "ECONNABORTED",
  ConnectionRefused: "ECONNREFUSED",
  ConnectionReset: "ECONNRESET",
  NetworkUnreachable: "ENETUNREACH",
  NotConnected: "ENOTCONN",
  NotCapable: "EPERM",
  PermissionDenied: "EACCES",
  TimedOut: "ETIMEDOUT",
};

/** Wraps what went wrong; `action` says what was tried, e.g. `cannot read`. */
export function networkFailure(action: string, cause: unknown): NetworkFailed {
  if (cause instanceof NetworkFailed) return cause;
  const { code, name, message } = cause as { code?: unknown; name?: string; message?: string };
  const known = typeof code === "string" ? code : codesOfClasses[name ?? ""] ?? "";
  return new NetworkFailed(known, `${action}: ${message ?? cause}`, { cause });
}

/** `promise`, or a NetworkFailed `ETIMEDOUT` when it has not settled after `timeout`. */
export async function withTimeLimit<T>(promise: Promise<T>, timeout: Millis, action: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new NetworkFailed("ETIMEDOUT", `${action}: no answer in ${timeout} ms`)), timeout);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}
