/**
 * Byte streams. Buffers belong to the caller; a buffer handed to `write` must not change until its promise settles
 * (the runtime does not copy), and at most one read and one write are under way per connection.
 */

/** A connection could not be made, or broke. `code` is the operating system's (`ECONNREFUSED` …) where there is one. */
export class NetworkFailed extends Error {
  override readonly name = "NetworkFailed";
  constructor(readonly code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
  }
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What a TLS peer proved about itself. */
export interface PeerCertificate {
  /** Distinguished name in RFC 2253 order, e.g. `CN=client,OU=test`. */
  readonly subject: string;
  readonly dnsNames: readonly string[];
  readonly emails: readonly string[];
  readonly uris: readonly string[];
  /** SHA-256 of its public key (SubjectPublicKeyInfo, DER) in lower-case hex: what operators pin. */
  readonly keyDigest: string;
}

export interface TlsInfo {
  /** e.g. `TLSv1.3`. */
  readonly version: string;
  /** As IANA names it, e.g. `TLS_AES_128_GCM_SHA256`; empty when unknown. */
  readonly cipher: string;
  readonly peer?: PeerCertificate;
}

/** PEM texts and choices for one side of a TLS session. */
export interface TlsOptions {
  readonly certificate?: string;
  readonly key?: string;
  readonly authorities?: string;
  /** Server: demand and verify a client certificate. Client: verify the server (true unless told otherwise). */
  readonly verify?: boolean;
  /** Client: the name to expect in the server's certificate. */
  readonly serverName?: string;
  /** Server: how long a handshake may take, milliseconds. */
  readonly timeout?: number;
}

export interface Connection {
  readonly local: Address;
  readonly remote: Address;
  /** Set once the stream is encrypted. */
  readonly tls?: TlsInfo | undefined;
  /** Resolves with the count of bytes put at the start of `into`; 0 when the peer has closed. Rejects with NetworkFailed. */
  read(into: Uint8Array): Promise<number>;
  /** Resolves when all of `bytes` is handed to the operating system. Rejects with NetworkFailed. */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Idempotent; pending reads resolve with 0 or reject. With a promise the last of what was written is still on its way to
   * the operating system: it resolves when that is done or given up, after a second at most.
   */
  close(): void | Promise<void>;
}

export interface Listener {
  /** The bound address, with the real port when 0 was asked for. */
  readonly address: Address;
  /** Resolves with the next connection, or `undefined` once the listener is closed. */
  accept(): Promise<Connection | undefined>;
  close(): void;
}

export interface ListenOptions extends Address {
  /**
   * {@link Network.secureServer} will demand client certificates: asks for streams on which that is cheaper. Plain bytes
   * are slower on them.
   */
  readonly upgradable?: boolean;
}

export interface Network {
  /** This machine's addresses that other machines can reach: neither loopback nor of one link only. */
  addresses(): readonly string[];
  /** Rejects with NetworkFailed, e.g. `EADDRINUSE`. */
  listen(options: ListenOptions): Promise<Listener>;
  /** `timeout` in milliseconds. `upgradable` as in {@link ListenOptions}. */
  dial(address: Address, options: { timeout: number; upgradable?: boolean }): Promise<Connection>;
  /** TLS as the server side; no byte may be lost between. Rejects when the handshake fails; the connection is closed then. */
  secureServer(connection: Connection, options: TlsOptions): Promise<Connection>;
  /** TLS as the client side. */
  secureClient(connection: Connection, options: TlsOptions): Promise<Connection>;
}
