/** Addresses `host:port` and URLs, checked in Go's words. */
import { ConfigError } from "./errors.ts";
import { quoted } from "./values.ts";

export interface Address {
  readonly host: string;
  readonly port: string;
}

/** Splits at the last colon; brackets around IP version 6 are removed. Throws `address x: missing port in address` and the like. */
export function splitHostPort(address: string): Address {
  const fault = (reason: string): ConfigError =>
    new ConfigError(address === "" ? reason : `address ${address}: ${reason}`);
  const colon = address.lastIndexOf(":");
  if (colon === -1) throw fault("missing port in address");
  if (address.startsWith("[")) {
    const end = address.indexOf("]");
    if (end === -1) throw fault("missing ']' in address");
    if (end + 1 === address.length) throw fault("missing port in address");
    if (end + 1 !== colon) {
      throw fault(address[end + 1] === ":" ? "too many colons in address" : "missing port in address");
    }
    return { host: address.slice(1, end), port: address.slice(colon + 1) };
  }
  if (address.slice(0, colon).includes(":")) throw fault("too many colons in address");
  return { host: address.slice(0, colon), port: address.slice(colon + 1) };
}

/** A URL with what routes need of it. */
export interface NatsUrl extends Address {
  readonly user: string;
  /** `undefined` when only a user, or nothing, stands before the `@`. */
  readonly password: string | undefined;
  readonly hasUser: boolean;
  /** `host:port` as written. */
  readonly address: string;
}

/** Takes a URL apart. Throws a ConfigError `parse "…": …` when it cannot be read. Host and port are empty where they do not stand. */
export function parseNatsUrl(text: string): NatsUrl {
  const fault = urlFault(text);
  if (fault !== undefined) throw new ConfigError(`parse ${quoted(text)}: ${fault}`);
  const authority = AUTHORITY.exec(text)?.[1] ?? "";
  const at = authority.lastIndexOf("@");
  const info = at === -1 ? "" : authority.slice(0, at);
  const address = authority.slice(at + 1);
  const colon = info.indexOf(":");
  const port = PORT.exec(address)?.[0] ?? "";
  return {
    user: unescaped(colon === -1 ? info : info.slice(0, colon)),
    password: colon === -1 ? undefined : unescaped(info.slice(colon + 1)),
    hasUser: at !== -1,
    address,
    host: address.slice(0, address.length - port.length).replace(/^\[(.*)\]$/, "$1"),
    port: port.slice(1),
  };
}

const AUTHORITY = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/([^/?#]*)/;
const PORT = /:\d*$/;

function urlFault(text: string): string | undefined {
  // deno-lint-ignore no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(text)) return "net/url: invalid control character in URL";
  if (text.startsWith(":")) return "missing protocol scheme";
  const escape = /%(?![0-9a-fA-F]{2})/.exec(text);
  if (escape !== null) return `invalid URL escape ${quoted(text.slice(escape.index, escape.index + 3))}`;
  const authority = AUTHORITY.exec(text)?.[1];
  if (authority === undefined) return schemeFault(text);
  const address = authority.slice(authority.lastIndexOf("@") + 1);
  const bracket = address.startsWith("[") ? address.indexOf("]") : -1;
  if (address.startsWith("[") && bracket === -1) return "missing ']' in host";
  const tail = address.slice(bracket + 1);
  const colon = bracket === -1 ? tail.lastIndexOf(":") : 0;
  const after = colon === -1 ? "" : tail.slice(colon);
  return after === "" || /^:\d*$/.test(after) ? undefined : `invalid port ${quoted(after)} after host`;
}

/** Text without `scheme://` is a path, whose first part must hold no colon unless a scheme ends there. */
function schemeFault(text: string): string | undefined {
  const first = text.split("/")[0] ?? "";
  if (!first.includes(":") || /^[A-Za-z][A-Za-z0-9+.-]*:/.test(text)) return undefined;
  return "first path segment in URL cannot contain colon";
}

/** Percent escapes resolved; as written where they are no UTF-8. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
