/** Certificates for tests: one authority, a server and a client that it vouches for, and a stranger that nobody vouches for. Valid until 2126. */
import { readFileSync } from "node:fs";

export interface Identity {
  readonly certificate: string;
  readonly key: string;
}

/** The authority's certificate. */
export const authority = text("authority.pem");
/** `OU=test, CN=server`, for `localhost` and 127.0.0.1. */
export const serverIdentity = identity("server");
/** `OU=test, CN=client`, with the names client.test, client@test.example and urn:client. */
export const clientIdentity = identity("client");
/** Signed by itself. */
export const strangerIdentity = identity("stranger");

/** Where a certificate's file is, for processes that want paths: `authority.pem`, `server.pem`, `server.key` … */
export function certificatePath(file: string): string {
  return decodeURIComponent(new URL(`certificates/${file}`, import.meta.url).pathname);
}

function identity(name: string): Identity {
  return { certificate: text(`${name}.pem`), key: text(`${name}.key`) };
}

function text(file: string): string {
  return readFileSync(certificatePath(file), "utf8");
}
