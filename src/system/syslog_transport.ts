/** The ways to a syslog daemon: datagrams and streams, over the network and on this machine. */
import dgram from "node:dgram";
import fs from "node:fs";

/** Which daemon; `local` is the one of this machine. */
export type SyslogAddress =
  | { readonly network: "local" }
  | { readonly network: "udp" | "tcp"; readonly host: string; readonly port: number }
  | { readonly network: "unix"; readonly path: string };

export interface SyslogTransport {
  /** Sends one line. Rejects when the daemon is lost. */
  send(line: Uint8Array): Promise<void>;
  close(): void;
}

/** Where daemons listen on Unix systems. */
const LOCAL_PATHS: readonly string[] = ["/dev/log", "/var/run/syslog", "/var/run/log"];

/** How long connecting may take, milliseconds. */
const CONNECT_LIMIT = 5_000;

/** Connects. Rejects with `error connecting to syslog: "…"`. `localPaths`: where the local daemon may be. */
export async function openSyslogTransport(
  address: SyslogAddress,
  localPaths: readonly string[] = LOCAL_PATHS,
): Promise<SyslogTransport> {
  try {
    switch (address.network) {
      case "local":
        return await openLocal(localPaths);
      case "udp":
        return openUdp(address.host, address.port);
      case "tcp":
        return new StreamTransport(await connectTcp(address.host, address.port));
      case "unix":
        return new StreamTransport(await Deno.connect({ transport: "unix", path: address.path }));
    }
  } catch (cause) {
    const text = cause instanceof NoDaemon ? cause.message : dialError(address, cause);
    throw new Error(`error connecting to syslog: ${JSON.stringify(text)}`, { cause });
  }
}

/** No local daemon takes lines. */
class NoDaemon extends Error {}

/** A stream where the daemon offers one, else datagrams. */
async function openLocal(paths: readonly string[]): Promise<SyslogTransport> {
  for (const path of paths) {
    if (!isSocket(path)) continue;
    try {
      return new StreamTransport(await Deno.connect({ transport: "unix", path }));
    } catch {
      const datagrams = openDatagrams(path);
      if (datagrams !== undefined) return datagrams;
    }
  }
  throw new NoDaemon("Unix syslog delivery error");
}

function isSocket(path: string): boolean {
  try {
    return Deno.statSync(path).isSocket === true;
  } catch {
    return false;
  }
}

/** `undefined` where the runtime offers no such sockets. */
function openDatagrams(path: string): SyslogTransport | undefined {
  if (typeof Deno.listenDatagram !== "function") return undefined;
  const own = Deno.makeTempFileSync({ prefix: "nats-streaming-syslog-" });
  fs.rmSync(own);
  const socket = Deno.listenDatagram({ transport: "unixpacket", path: own });
  return {
    async send(line) {
      await socket.send(line, { transport: "unixpacket", path });
    },
    close() {
      socket.close();
      fs.rmSync(own, { force: true });
    },
  };
}

function openUdp(host: string, port: number): SyslogTransport {
  const socket = dgram.createSocket(host.includes(":") ? "udp6" : "udp4");
  // A daemon that is not there is no error: datagrams are sent and forgotten.
  socket.on("error", () => {});
  socket.unref();
  return {
    send: (line) => new Promise((resolve) => socket.send(line, port, host, () => resolve())),
    close: () => void socket.close(),
  };
}

async function connectTcp(hostname: string, port: number): Promise<Deno.Conn> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), CONNECT_LIMIT);
  try {
    return await Deno.connect({ hostname, port, signal: limit.signal });
  } finally {
    clearTimeout(timer);
  }
}

class StreamTransport implements SyslogTransport {
  readonly #connection: Deno.Conn;

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
    // A stream that nobody reads must not keep the process alive.
    if ("unref" in connection && typeof connection.unref === "function") connection.unref();
  }

  async send(line: Uint8Array): Promise<void> {
    for (let at = 0; at < line.length;) at += await this.#connection.write(line.subarray(at));
  }

  close(): void {
    try {
      this.#connection.close();
    } catch {
      // Closed by the other side already.
    }
  }
}

const REASONS: readonly [name: RegExp, text: string][] = [
  [/ConnectionRefused|ECONNREFUSED/, "connection refused"],
  [/NotFound|ENOENT/, "no such file or directory"],
  [/PermissionDenied|EACCES/, "permission denied"],
  [/AbortError|TimedOut|ETIMEDOUT/, "i/o timeout"],
];

/** The reason in Go's words. */
function dialError(address: SyslogAddress, cause: unknown): string {
  const { name, code, message } = cause as { name?: string; code?: string; message?: string };
  const known = REASONS.find(([pattern]) => pattern.test(`${name} ${code}`))?.[1];
  const where = address.network === "unix"
    ? `unix ${address.path}`
    : address.network === "local"
    ? "unix"
    : `${address.network} ${address.host}:${address.port}`;
  return known === undefined ? `dial ${where}: ${message}` : `dial ${where}: connect: ${known}`;
}
