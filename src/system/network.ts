/** The machine's sockets: Deno's own for plain bytes, with the delay of small packets switched off, and TLS on top of them. */
import {
  type Address,
  type Connection,
  type Listener,
  type ListenOptions,
  type Network,
  NetworkFailed,
} from "../ports/network.ts";
import type { Millis } from "../protocol/units.ts";
import { networkFailure, withTimeLimit } from "./network_failures.ts";
import { secureAsClient, secureAsServer } from "./tls.ts";

/** The sockets that a running server uses. Every connection can be upgraded to TLS, whatever was asked for. */
export function systemNetwork(): Network {
  return { addresses, listen, dial, secureServer: secureAsServer, secureClient: secureAsClient };
}

function addresses(): readonly string[] {
  return Deno.networkInterfaces().map(({ address }) => address).filter((address) => {
    const local = /^(127\.|169\.254\.|::1$|fe[89ab])/i;
    return !local.test(address) && address !== "0.0.0.0" && address !== "::";
  });
}

async function listen(options: ListenOptions): Promise<Listener> {
  try {
    return new TcpListener(Deno.listen({ hostname: options.host, port: options.port, transport: "tcp" }));
  } catch (cause) {
    throw networkFailure(`cannot listen on ${options.host}:${options.port}`, cause);
  }
}

async function dial(address: Address, options: { timeout: Millis }): Promise<Connection> {
  const what = `cannot connect to ${address.host}:${address.port}`;
  const connecting = Deno.connect({ hostname: address.host, port: address.port });
  try {
    return new TcpConnection(await withTimeLimit(connecting, options.timeout, what));
  } catch (cause) {
    // A connection that comes after the time limit is nobody's.
    connecting.then((late) => late.close(), () => {});
    throw networkFailure(what, cause);
  }
}

class TcpListener implements Listener {
  readonly address: Address;
  readonly #listener: Deno.TcpListener;
  #closed = false;

  constructor(listener: Deno.TcpListener) {
    this.#listener = listener;
    this.address = addressOf(listener.addr);
  }

  async accept(): Promise<Connection | undefined> {
    while (!this.#closed) {
      try {
        return new TcpConnection(await this.#listener.accept());
      } catch (cause) {
        if (this.#closed) return undefined;
        // A peer that was gone before it was accepted is no reason to stop accepting.
        const failure = networkFailure("cannot accept a connection", cause);
        if (failure.code !== "ECONNABORTED" && failure.code !== "ECONNRESET") throw failure;
      }
    }
    return undefined;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener.close();
  }
}

class TcpConnection implements Connection {
  readonly local: Address;
  readonly remote: Address;
  readonly #connection: Deno.TcpConn;
  #closed = false;

  constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
    this.local = addressOf(connection.localAddr);
    this.remote = addressOf(connection.remoteAddr);
    try {
      connection.setNoDelay(true);
    } catch {
      // The peer is already gone, which the first read tells.
    }
  }

  async read(into: Uint8Array): Promise<number> {
    try {
      return await this.#connection.read(into) ?? 0;
    } catch (cause) {
      if (this.#closed) return 0;
      throw networkFailure("cannot read", cause);
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      let sent = await this.#connection.write(bytes);
      while (sent < bytes.length) sent += await this.#connection.write(bytes.subarray(sent));
    } catch (cause) {
      if (this.#closed) throw new NetworkFailed("ECLOSED", "cannot write: the connection is closed", { cause });
      throw networkFailure("cannot write", cause);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.close();
  }
}

function addressOf(address: Deno.Addr): Address {
  const { hostname, port } = address as Deno.NetAddr;
  return { host: hostname, port };
}
