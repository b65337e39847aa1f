/** TLS as the client by the runtime's own means: less able than `tls.ts`, but working before Deno 2.9. */
import type { Connection, TlsOptions } from "../ports/network.ts";
import { networkFailure, withTimeLimit } from "./network_failures.ts";
import { needsCurrentRuntime } from "./runtime_version.ts";
import { TcpConnection } from "./tcp_connection.ts";

/** As `secureAsClient`, without client certificates, and always verifying the server. Rejects with NetworkFailed. */
export async function secureNatively(connection: Connection, options: TlsOptions): Promise<Connection> {
  if (options.certificate !== undefined) throw needsCurrentRuntime("TLS with a client certificate");
  if (options.verify === false || !(connection instanceof TcpConnection)) throw needsCurrentRuntime("TLS unverified");
  const action = "TLS handshake failed";
  try {
    const stream = await Deno.startTls(connection.native as Deno.TcpConn, {
      hostname: options.serverName ?? connection.remote.host,
      ...(options.authorities === undefined ? {} : { caCerts: [options.authorities] }),
    });
    await withTimeLimit(stream.handshake(), options.timeout ?? 2_000, action);
    return new TcpConnection(stream, { version: "", cipher: "" });
  } catch (cause) {
    connection.close();
    throw networkFailure(action, cause);
  }
}
