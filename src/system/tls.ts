/**
 * TLS over any connection, through `node:tls`: Deno's own TLS cannot start as a server after plain bytes. It takes the
 * sockets of an upgradable listener over as they are, and stands on a stream of ours for any other connection. Because
 * either reads only when TLS asks, no byte is lost between. Needs Deno 2.9.
 */
import { createHash, X509Certificate } from "node:crypto";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import {
  type Address,
  type Connection,
  NetworkFailed,
  type PeerCertificate,
  type TlsInfo,
  type TlsOptions,
} from "../ports/network.ts";
import { networkFailure, withTimeLimit } from "./network_failures.ts";
import { type EncryptedStream, encryptedStream } from "./encrypted_stream.ts";
import { StreamConnection } from "./stream_connection.ts";
import { distinguishedName, subjectNames } from "./certificate_names.ts";

/** How long a handshake may take when the options do not say, in milliseconds. */
export const usualTimeout = 2_000;

/** Starts TLS as the server. Rejects with NetworkFailed when the handshake fails; the connection is closed then. */
export function secureAsServer(connection: Connection, options: TlsOptions): Promise<Connection> {
  const verify = options.verify === true;
  return secure(connection, options, (stream, ready, failed) => {
    // Only a server object checks client certificates; a socket alone lets any pass. It takes a single stream and never listens.
    const server = tls.createServer({ ...certificates(options), requestCert: verify, rejectUnauthorized: verify });
    server.once("secureConnection", (socket) => {
      if (verify && !socket.authorized) failed(new NetworkFailed("", "the client's certificate was not verified"));
      else ready(socket);
    });
    server.once("tlsClientError", failed);
    server.emit("connection", stream);
  });
}

/** Starts TLS as the client. Rejects with NetworkFailed when the handshake or the check of the server's certificate fails. */
export function secureAsClient(connection: Connection, options: TlsOptions): Promise<Connection> {
  const name = options.serverName ?? connection.remote.host;
  return secure(connection, options, (stream, ready, failed) => {
    const socket = tls.connect({
      socket: stream,
      ...certificates(options),
      rejectUnauthorized: options.verify !== false,
      // An address cannot be announced, but the certificate is checked against it.
      ...(isAddress(name) ? {} : { servername: name }),
      checkServerIdentity: (_host, certificate) => tls.checkServerIdentity(name, certificate),
    });
    socket.once("secureConnect", () => ready(socket));
    socket.on("error", failed);
  });
}

type Start = (stream: Duplex, ready: (socket: tls.TLSSocket) => void, failed: (cause: unknown) => void) => void;

async function secure(connection: Connection, options: TlsOptions, start: Start): Promise<Connection> {
  const action = "TLS handshake failed";
  let encrypted: EncryptedStream | undefined;
  try {
    const socket = new Promise<tls.TLSSocket>((resolve, reject) => {
      const gone = () => reject(new NetworkFailed("ECONNRESET", `${action}: the peer went away`));
      encrypted = encryptedStream(connection, gone);
      encrypted.stream.on("error", reject);
      start(encrypted.stream, resolve, reject);
    });
    return new TlsConnection(
      connection,
      encrypted!,
      await withTimeLimit(socket, options.timeout ?? usualTimeout, action),
    );
  } catch (cause) {
    encrypted?.stream.destroy();
    connection.close();
    throw networkFailure(action, cause);
  }
}

function certificates(options: TlsOptions): tls.SecureContextOptions {
  return {
    ...(options.certificate === undefined ? {} : { cert: options.certificate }),
    ...(options.key === undefined ? {} : { key: options.key }),
    ...(options.authorities === undefined ? {} : { ca: options.authorities }),
  };
}

function isAddress(name: string): boolean {
  return name.includes(":") || /^[0-9.]+$/.test(name);
}

function infoOf(socket: tls.TLSSocket): TlsInfo {
  const peer = peerOf(socket);
  return {
    version: socket.getProtocol() ?? "",
    cipher: socket.getCipher()?.standardName ?? "",
    ...(peer === undefined ? {} : { peer }),
  };
}

function peerOf(socket: tls.TLSSocket): PeerCertificate | undefined {
  const certificate = socket.getPeerCertificate() as Partial<tls.PeerCertificate> | null;
  if (!certificate?.subject) return undefined;
  return {
    subject: distinguishedName(certificate.subject as unknown as Record<string, string | string[]>),
    ...subjectNames(certificate.subjectaltname ?? ""),
    keyDigest: certificate.raw === undefined ? "" : digestOfKey(certificate.raw),
  };
}

function digestOfKey(certificate: Uint8Array): string {
  const key = new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(key).digest("hex");
}

/** The decrypted side. */
class TlsConnection extends StreamConnection {
  readonly tls: TlsInfo;
  readonly #plain: Connection;

  constructor(plain: Connection, encrypted: EncryptedStream, socket: tls.TLSSocket) {
    super(socket, encrypted);
    this.#plain = plain;
    this.tls = infoOf(socket);
    this.attach();
  }

  get local(): Address {
    return this.#plain.local;
  }

  get remote(): Address {
    return this.#plain.remote;
  }

  override close(): void {
    super.close();
    this.#plain.close();
  }
}
