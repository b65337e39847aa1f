/**
 * The runtime's own TLS as a server, for encrypted bytes that arrive elsewhere. The runtime has it for connections that a
 * listener of its own accepts only; so this process listens on the loopback for a moment and dials itself. What is written
 * into one end encrypted is read from the other in plain, and the reverse.
 *
 * Nobody else gets in: the listener is closed as soon as it has accepted the connection just dialed, and any other one is
 * hung up on.
 */
import { TcpConnection } from "./tcp_connection.ts";

const LOOPBACK = "127.0.0.1";

export interface TlsPair {
  /** Takes what came from the peer and gives what is for it, encrypted both. */
  readonly encrypted: TcpConnection;
  /** The end that speaks plain text. */
  readonly plain: Deno.TlsConn;
}

/** Rejects with an error of the runtime's when its TLS cannot use the key, or the loopback cannot be used. */
export async function openTlsPair(certificate: string, key: string): Promise<TlsPair> {
  const listener = Deno.listenTls({ hostname: LOOPBACK, port: 0, cert: certificate, key });
  try {
    const { port } = listener.addr as Deno.NetAddr;
    const encrypted = new TcpConnection(await Deno.connect({ hostname: LOOPBACK, port }));
    try {
      return { encrypted, plain: await acceptedFrom(encrypted, listener) };
    } catch (cause) {
      encrypted.close();
      throw cause;
    }
  } finally {
    listener.close();
  }
}

async function acceptedFrom({ local }: TcpConnection, listener: Deno.TlsListener): Promise<Deno.TlsConn> {
  for (;;) {
    const connection = await listener.accept();
    const { hostname, port } = connection.remoteAddr as Deno.NetAddr;
    if (hostname === local.host && port === local.port) return connection;
    connection.close();
  }
}
