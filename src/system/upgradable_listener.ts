/**
 * Listens through `node:net`, whose sockets `node:tls` can take over without a detour: TLS on them costs half of what it
 * costs on a stream of ours. Plain bytes are slower here, so only ports that speak TLS listen this way.
 */
import net from "node:net";
import type { Address, Connection, Listener } from "../ports/network.ts";
import { networkFailure } from "./network_failures.ts";
import { StreamConnection } from "./stream_connection.ts";

/** A connection that nothing is read from until somebody asks, so that TLS may take its socket over. */
export class SocketConnection extends StreamConnection {
  readonly local: Address;
  readonly remote: Address;
  readonly socket: net.Socket;

  constructor(socket: net.Socket) {
    super(socket);
    this.socket = socket;
    this.local = { host: socket.localAddress ?? "", port: socket.localPort ?? 0 };
    this.remote = { host: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 };
  }
}

/** Rejects with NetworkFailed, e.g. `EADDRINUSE`. */
export async function listenUpgradable(address: Address): Promise<Listener> {
  const server = net.createServer({ pauseOnConnect: true, noDelay: true });
  const listener = new SocketListener(server);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => {
      reject(networkFailure(`cannot listen on ${address.host}:${address.port}`, cause));
    });
    server.listen({ host: address.host, port: address.port, backlog: 511 }, resolve);
  });
  return listener;
}

class SocketListener implements Listener {
  readonly #server: net.Server;
  readonly #arrived: SocketConnection[] = [];
  #waiting: ((connection: Connection | undefined) => void) | undefined;
  #address: Address | undefined;
  #closed = false;

  constructor(server: net.Server) {
    this.#server = server;
    server.on("connection", (socket) => {
      const connection = new SocketConnection(socket);
      if (this.#waiting === undefined) this.#arrived.push(connection);
      else this.#hand(connection);
    });
  }

  get address(): Address {
    const { address, port } = this.#server.address() as net.AddressInfo ?? { address: "", port: 0 };
    return this.#address ??= { host: address, port };
  }

  accept(): Promise<Connection | undefined> {
    const next = this.#arrived.shift();
    if (next !== undefined) return Promise.resolve(next);
    if (this.#closed) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#waiting = resolve);
  }

  close(): void {
    if (this.#closed) return;
    // It cannot be asked afterwards.
    void this.address;
    this.#closed = true;
    for (const connection of this.#arrived.splice(0)) connection.close();
    this.#server.close(() => this.#hand(undefined));
  }

  #hand(connection: Connection | undefined): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.(connection);
  }
}
