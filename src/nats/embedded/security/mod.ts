/**
 * Who a client is and what it may do: passwords, nkeys, certificates, permissions.
 * Knows the configured users and the credentials in CONNECT.
 * Must not know: sessions, sockets, or messages.
 */
export type { Admission } from "./admission.ts";
export { Authorization } from "./authorization.ts";
export { sameName } from "./distinguished_names.ts";
export { isHash, samePassword } from "./passwords.ts";
export { tlsFault } from "./tls_rules.ts";
export type { Permissions } from "./permissions.ts";
