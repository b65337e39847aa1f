/** What an operator says about the connection to an external NATS server, in the terms of `@nats-io/nats-core` (spec cli-config-monitoring, section 7). */
import {
  type Auth,
  type ConnectionOptions,
  jwtAuthenticator,
  nkeyAuthenticator,
  nkeys,
  type Server,
} from "@nats-io/nats-core/internal";
import { NatsFailed, textOf } from "./errors.ts";
import { checkedTls, type ClientTls } from "./tls_options.ts";

/** Where and as whom to connect. */
export interface ClientBusOptions {
  /** URLs in order of preference, see {@link serverUrls}. User and password, or a token, may stand in each. */
  readonly servers: readonly string[];
  /** Shown by the NATS server's monitoring, e.g. `_NSS-test-cluster-send`. */
  readonly name: string;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly token?: string | undefined;
  /** Content of a credentials file: a user JWT and its nkey seed. */
  readonly credentials?: string | undefined;
  /** Content of a file with a user nkey seed. */
  readonly nkeySeed?: string | undefined;
  /** Demands TLS. Without it, TLS is used where the server demands it, with the system's authorities. */
  readonly tls?: ClientTls | undefined;
  /** Most bytes that may wait to be sent; publishing is refused above. 64 MiB unless told otherwise. */
  readonly maxPending?: number | undefined;
  /** Milliseconds between two tries to reconnect; 250 unless told otherwise. */
  readonly reconnectWait?: number | undefined;
}

/** {@link ClientBusOptions} as the bus needs them. */
export interface Link {
  readonly connection: ConnectionOptions;
  readonly tls?: ClientTls;
  /** To be told which server is dialed, because each URL may have its own user. */
  readonly onDial: (server: Server) => void;
}

/** As the Go client: how long a handshake may take, connecting and TLS included, milliseconds. */
const CONNECT_TIMEOUT = 4_000;

const RECONNECT_WAIT = 250;
const DEFAULT_PORT = 4222;

/**
 * The URLs that the text of `-nats_server` names. One URL must be `scheme://host:port` and any scheme becomes `nats`; with
 * an `@` or a comma the parts are taken as they are. Throws NatsFailed `BAD_URL` with the reference's texts.
 */
export function serverUrls(text: string): string[] {
  if (text.includes("@") || text.includes(",")) {
    return text.split(",").map((url) => url.trim()).filter((url) => url !== "");
  }
  const at = text.indexOf("://");
  if (at < 0) throw new NatsFailed("BAD_URL", `malformed url: ${text}`);
  const address = text.slice(at + 3);
  const colon = address.lastIndexOf(":");
  if (colon < 0 || colon < address.lastIndexOf("]")) {
    throw new NatsFailed("BAD_URL", `address ${address}: missing port in address`);
  }
  if (address.slice(0, colon).includes(":") && !address.startsWith("[")) {
    throw new NatsFailed("BAD_URL", `address ${address}: too many colons in address`);
  }
  return [`nats://${address}`];
}

/** `url` fit for a log: user, password and token hidden. */
export function redactedUrl(url: string): string {
  return url.replace(/^([a-z]+:\/\/)?[^@]*@/i, "$1[REDACTED]@");
}

/** Reads options; throws NatsFailed `BAD_URL` or `BAD_CREDENTIALS`. */
export function linkOf(options: ClientBusOptions): Link {
  const servers = options.servers.map(parseServer);
  if (servers.length === 0) throw new NatsFailed("BAD_URL", "nats: no server URL is given");
  const users = new Map(servers.map((server) => [server.listen, server]));
  const keys = keyAuthentication(options);
  let dialed: ParsedServer | undefined;
  const tls = options.tls ?? (servers.some((server) => server.secure) ? {} : undefined);
  const wait = options.reconnectWait ?? RECONNECT_WAIT;
  return {
    connection: {
      servers: servers.map((server) => server.listen),
      name: options.name,
      authenticator: (nonce) => ({ ...passwordOf(dialed, options), ...keys?.(nonce) }) as Auth,
      ignoreAuthErrorAbort: true,
      maxReconnectAttempts: -1,
      noAsyncTraces: true,
      noRandomize: true,
      reconnect: true,
      reconnectDelayHandler: () => wait,
      resolve: false,
      timeout: CONNECT_TIMEOUT,
    },
    ...(tls === undefined ? {} : { tls: checkedTls(tls) }),
    onDial: (server) => dialed = users.get(server.listen),
  };
}

interface ParsedServer {
  /** `host:port`, as the library names the server. */
  readonly listen: string;
  readonly secure: boolean;
  readonly user?: string;
  readonly password?: string;
}

function parseServer(text: string): ParsedServer {
  let url: URL;
  try {
    url = new URL(text.includes("://") ? text : `nats://${text}`);
    if (url.hostname === "") throw new Error("no host");
  } catch (cause) {
    throw new NatsFailed("BAD_URL", `nats: ${JSON.stringify(redactedUrl(text))} is no URL of a NATS server`, { cause });
  }
  const secure = url.protocol === "tls:";
  const listen = `${url.hostname}:${url.port || DEFAULT_PORT}`;
  if (url.username === "") return { listen, secure };
  const user = decodeURIComponent(url.username);
  // As in the Go client, a user without a password is a token.
  return url.password === ""
    ? { listen, secure, user }
    : { listen, secure, user, password: decodeURIComponent(url.password) };
}

function passwordOf(server: ParsedServer | undefined, options: ClientBusOptions): Record<string, string> {
  if (server?.user !== undefined) {
    return server.password === undefined ? { auth_token: server.user } : { user: server.user, pass: server.password };
  }
  return {
    ...(options.user ? { user: options.user, pass: options.password ?? "" } : {}),
    ...(options.token ? { auth_token: options.token } : {}),
  };
}

function keyAuthentication(options: ClientBusOptions): ((nonce?: string) => Auth) | undefined {
  if (options.credentials !== undefined) {
    const jwt = decorated(options.credentials, "JWT") ?? fail("nats: no user JWT found in the credentials file");
    const seed = seedIn(options.credentials) ?? fail("nats: no nkey seed found in the credentials file");
    return jwtAuthenticator(jwt, checkedSeed(seed));
  }
  if (options.nkeySeed !== undefined) {
    const seed = seedIn(options.nkeySeed) ?? fail("nats: no nkey seed found");
    return nkeyAuthenticator(checkedSeed(seed));
  }
  return undefined;
}

/** The line below a `-----BEGIN … <what>-----` line. */
function decorated(text: string, what: string): string | undefined {
  return new RegExp(`-{3,}[^\\n]*BEGIN[^\\n]*${what}[^\\n]*-{3,}\\s*\\n\\s*(\\S+)`, "i").exec(text)?.[1];
}

function seedIn(text: string): string | undefined {
  return decorated(text, "SEED") ?? /^\s*(S[A-Z2-7]{20,})\s*$/m.exec(text)?.[1];
}

function checkedSeed(seed: string): Uint8Array {
  const bytes = new TextEncoder().encode(seed);
  try {
    if (nkeys.fromSeed(bytes).getPublicKey().startsWith("U")) return bytes;
  } catch (cause) {
    throw new NatsFailed("BAD_CREDENTIALS", `nats: invalid nkey seed: ${textOf(cause)}`, { cause });
  }
  return fail("nats: Not a valid nkey user seed");
}

function fail(message: string): never {
  throw new NatsFailed("BAD_CREDENTIALS", message);
}
