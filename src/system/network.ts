/** The machine's sockets: Deno's own for plain bytes, with the delay of small packets switched off, and TLS on top of them. */
import type { Address, Connection, Listener, ListenOptions, Network, TlsOptions } from "../ports/network.ts";
import type { Millis } from "../protocol/units.ts";
import { networkFailure, withTimeLimit } from "./network_failures.ts";
import { secureNatively } from "./native_tls.ts";
import { isCurrentRuntime, needsCurrentRuntime } from "./runtime_version.ts";
import { addressOf, TcpConnection } from "./tcp_connection.ts";
import { listenUpgradable, SocketConnection } from "./upgradable_listener.ts";
import { secureAsClient, secureAsServer, usualTimeout } from "./tls.ts";
import { secureBySplicing } from "./spliced_tls.ts";
import { openTlsPair, type TlsPair } from "./tls_engine.ts";

/** The sockets that a running server uses. Every connection can be upgraded to TLS, whatever was asked for. */
export function systemNetwork(): Network {
  const secureClient = isCurrentRuntime ? secureAsClient : secureNatively;
  return { addresses, listen, dial, secureServer, secureClient };
}

function addresses(): readonly string[] {
  return Deno.networkInterfaces().map(({ address }) => address).filter((address) => {
    const local = /^(127\.|169\.254\.|::1$|fe[89ab])/i;
    return !local.test(address) && address !== "0.0.0.0" && address !== "::";
  });
}

async function listen(options: ListenOptions): Promise<Listener> {
  if (options.upgradable && !isCurrentRuntime) throw needsCurrentRuntime("TLS with client certificates");
  if (options.upgradable) return await listenUpgradable(options);
  try {
    return new TcpListener(Deno.listen({ hostname: options.host, port: options.port, transport: "tcp" }));
  } catch (cause) {
    throw networkFailure(`cannot listen on ${options.host}:${options.port}`, cause);
  }
}

/** The runtime's native TLS where it can, which costs a third; client certificates need `node:tls`. */
async function secureServer(connection: Connection, options: TlsOptions): Promise<Connection> {
  if (options.verify !== true && !(connection instanceof SocketConnection)) {
    const timeout = options.timeout ?? usualTimeout;
    const opening = openTlsPair(options.certificate ?? "", options.key ?? "");
    let pair: TlsPair | undefined;
    try {
      pair = await withTimeLimit(opening, timeout, "cannot connect to this process");
    } catch (cause) {
      // No file descriptors are left, or the loopback is closed off. A pair that comes late is nobody's.
      opening.then(closePair, () => {});
      if (isCurrentRuntime) return await secureAsServer(connection, options);
      void connection.close();
      throw networkFailure("TLS handshake failed", cause);
    }
    return await secureBySplicing(connection, pair, timeout);
  }
  if (isCurrentRuntime) return await secureAsServer(connection, options);
  void connection.close();
  throw needsCurrentRuntime("TLS with client certificates");
}

function closePair({ plain, encrypted }: TlsPair): void {
  plain.close();
  encrypted.close();
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
