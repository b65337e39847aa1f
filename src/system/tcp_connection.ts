/** A connection on a socket of the runtime's own. */
import { type Address, type Connection, NetworkFailed, type TlsInfo } from "../ports/network.ts";
import { networkFailure } from "./network_failures.ts";

export class TcpConnection implements Connection {
  readonly local: Address;
  readonly remote: Address;
  readonly tls?: TlsInfo;
  /** The runtime's own object. */
  readonly native: Deno.TcpConn | Deno.TlsConn;
  readonly #connection: Deno.TcpConn | Deno.TlsConn;
  #closed = false;

  constructor(connection: Deno.TcpConn | Deno.TlsConn, tls?: TlsInfo) {
    this.#connection = this.native = connection;
    if (tls !== undefined) this.tls = tls;
    this.local = addressOf(connection.localAddr);
    this.remote = addressOf(connection.remoteAddr);
    try {
      if ("setNoDelay" in connection) connection.setNoDelay(true);
    } catch {
      // The peer is already gone, which the first read tells.
    }
  }

  async read(into: Uint8Array): Promise<number> {
    try {
      return await this.#connection.read(into) ?? 0;
    } catch (cause) {
      // With TLS: gone without a goodbye.
      if (this.#closed || cause instanceof Deno.errors.UnexpectedEof) return 0;
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
    try {
      this.#connection.close();
    } catch {
      // TLS has taken the socket over, and closes it.
    }
  }
}

/** A socket's address in the port's form. */
export function addressOf(address: Deno.Addr): Address {
  const { hostname, port } = address as Deno.NetAddr;
  return { host: hostname, port };
}
