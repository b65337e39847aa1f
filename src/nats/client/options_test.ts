import assert from "node:assert/strict";
import type { Server } from "@nats-io/nats-core/internal";
import { authority, clientIdentity, serverIdentity } from "../../../tests/support/certificates.ts";
import { makeCredentials, makeUserKey } from "../../../tests/support/nats_credentials.ts";
import { NetworkFailed } from "../../ports/network.ts";
import { connectFailure } from "./errors.ts";
import { type ClientBusOptions, linkOf, redactedUrl, serverUrls } from "./options.ts";

function link(options: Partial<ClientBusOptions>) {
  return linkOf({ servers: ["nats://localhost:4222"], name: "n", ...options });
}

/** What the library would put into CONNECT for the server at `listen`. */
function credentials(
  options: Partial<ClientBusOptions>,
  listen = "localhost:4222",
  nonce?: string,
): Record<string, string> {
  const { connection, onDial } = link(options);
  onDial({ listen } as Server);
  const authenticator = connection.authenticator as unknown as (nonce?: string) => Record<string, string>;
  return authenticator(nonce);
}

Deno.test("serverUrls() takes one URL of any scheme, or a list as it is", () => {
  assert.deepEqual(serverUrls("nats://a:4222"), ["nats://a:4222"]);
  assert.deepEqual(serverUrls("tls://a:4222"), ["nats://a:4222"]);
  assert.deepEqual(serverUrls("nats://[::1]:4222"), ["nats://[::1]:4222"]);
  assert.deepEqual(serverUrls("nats://u:p@a:1"), ["nats://u:p@a:1"]);
  assert.deepEqual(serverUrls(" nats://a:1 , tls://b:2,"), ["nats://a:1", "tls://b:2"]);
});

Deno.test("serverUrls() refuses in the reference's words", () => {
  for (
    const [text, message] of [
      ["localhost:4222", "malformed url: localhost:4222"],
      ["nats://127.0.0.1", "address 127.0.0.1: missing port in address"],
      ["nats://[::1]", "address [::1]: missing port in address"],
      ["nats://::1:4222", "address ::1:4222: too many colons in address"],
    ] as const
  ) assert.throws(() => serverUrls(text), { code: "BAD_URL", message });
});

Deno.test("redactedUrl() hides who connects", () => {
  assert.equal(redactedUrl("nats://u:p@host:4222"), "nats://[REDACTED]@host:4222");
  assert.equal(redactedUrl("token@host"), "[REDACTED]@host");
  assert.equal(redactedUrl("nats://host:4222"), "nats://host:4222");
});

Deno.test("linkOf() names servers by host and port, the usual one by default", () => {
  const servers = ["nats://a:1", "b", "nats://u:p%40@c", "nats://[::1]:7", "tls://d:8"];
  assert.deepEqual(link({ servers }).connection.servers, ["a:1", "b:4222", "c:4222", "[::1]:7", "d:8"]);
  assert.deepEqual(link({ servers }).tls, {});
  assert.equal(link({}).tls, undefined);
  assert.throws(() => link({ servers: [] }), { code: "BAD_URL" });
  const secret = { code: "BAD_URL", message: 'nats: "nats://[REDACTED]@:4222" is no URL of a NATS server' };
  assert.throws(() => link({ servers: ["nats://u:secret@:4222"] }), secret);
});

Deno.test("linkOf() prefers what stands in the dialed server's URL", () => {
  const servers = ["nats://u:p%40@a:1", "nats://t0ken@b:2", "nats://c:3"];
  const options = { servers, user: "me", password: "mine" };
  assert.deepEqual(credentials(options, "a:1"), { user: "u", pass: "p@" });
  assert.deepEqual(credentials(options, "b:2"), { auth_token: "t0ken" });
  assert.deepEqual(credentials(options, "c:3"), { user: "me", pass: "mine" });
  assert.deepEqual(credentials(options, "heard-of:4"), { user: "me", pass: "mine" });
  assert.deepEqual(credentials({ token: "t" }), { auth_token: "t" });
  assert.deepEqual(credentials({}), {});
});

Deno.test("linkOf() signs the server's challenge with the nkey, or with the credentials' key and their JWT", () => {
  const { seed, publicKey } = makeUserKey();
  const nkey = credentials({ nkeySeed: seed }, undefined, "challenge");
  assert.equal(nkey["nkey"], publicKey);
  assert.ok(nkey["sig"]!.length > 80);
  const file = makeCredentials().credentials;
  const creds = credentials({ credentials: file.replaceAll("\n", "\r\n") }, undefined, "challenge");
  assert.ok(file.includes(creds["jwt"]!) && creds["sig"]!.length > 80);
});

Deno.test("linkOf() refuses keys, credentials and certificates that are none, before anything is dialed", () => {
  const bad: [Partial<ClientBusOptions>, RegExp][] = [
    [{ nkeySeed: "" }, /^nats: no nkey seed found$/],
    [{ nkeySeed: "SUAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }, /^nats: invalid nkey seed: /],
    [{ nkeySeed: "SAAHPQF3GOP4IP5SHKHCNBOHD5TMGSW4QQL6RTZAPEEYOQ2NRBIAKCCLQA" }, /nkey|seed/],
    [{ credentials: "nothing" }, /no user JWT found/],
    [{ credentials: "-----BEGIN NATS USER JWT-----\nabc\n------END NATS USER JWT------\n" }, /no nkey seed found/],
    [{ tls: { authorities: "nonsense" } }, /^nats: failed to parse root certificate: tls: failed to find any PEM data/],
    [{ tls: { certificate: clientIdentity.certificate } }, /^nats: error loading client certificate: .*key input$/],
    [{ tls: { key: clientIdentity.key } }, /^nats: error loading client certificate: .*certificate input$/],
    [
      { tls: { certificate: clientIdentity.certificate, key: serverIdentity.key } },
      /private key does not match public key$/,
    ],
  ];
  for (const [options, message] of bad) {
    assert.throws(() => link(options), { name: "NatsFailed", code: "BAD_CREDENTIALS", message });
  }
  assert.deepEqual(link({ tls: { authorities: authority, ...clientIdentity } }).tls, {
    authorities: authority,
    ...clientIdentity,
  });
});

Deno.test("connectFailure() says what happened in the Go client's words", () => {
  const tls = (code: string, text: string) => new NetworkFailed(code, `TLS handshake failed: ${text}`);
  const cases: [unknown, string, string][] = [
    [new NetworkFailed("ECONNREFUSED", "x"), "NO_SERVERS", "nats: no servers available for connection"],
    [new NetworkFailed("ETIMEDOUT", "x"), "TIMEOUT", "nats: timeout"],
    [new Error("'Authorization Violation'"), "AUTHORIZATION", "nats: Authorization Violation"],
    [new Error("User Authentication Expired"), "AUTHORIZATION", "nats: authentication expired"],
    [new Error("maximum connections exceeded"), "OTHER", "nats: maximum connections exceeded"],
    [tls("SELF_SIGNED_CERT_IN_CHAIN", "x"), "CERTIFICATE", "x509: certificate signed by unknown authority"],
    [tls("CERT_HAS_EXPIRED", "x"), "CERTIFICATE", "x509: certificate has expired or is not yet valid"],
    [
      tls("ERR_TLS_CERT_ALTNAME_INVALID", "Host: o. is not in the cert's altnames: DNS:a, DNS:b, IP Address:1.2.3.4"),
      "CERTIFICATE",
      "x509: certificate is valid for a, b, not o",
    ],
    [
      tls("ERR_TLS_CERT_ALTNAME_INVALID", "IP: 127.0.0.1 is not in the cert's list: 10.0.0.1"),
      "CERTIFICATE",
      "x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs",
    ],
    [tls("", "received fatal alert: CertificateRequired"), "CERTIFICATE", "remote error: tls: certificate required"],
  ];
  for (const [cause, code, message] of cases) {
    const failure = connectFailure(cause);
    assert.deepEqual([failure.code, failure.message, failure.cause], [code, message, cause]);
  }
});
