/** Keys and credentials as NATS' own tools make them: a user's nkey, and an operator with one account and one user. */
import { createHash } from "node:crypto";
import { createAccount, createOperator, createUser, type KeyPair } from "@nats-io/nkeys";

const decoder = new TextDecoder();

/** A new user key. */
export function makeUserKey(): { seed: string; publicKey: string } {
  const pair = createUser();
  return { seed: decoder.decode(pair.getSeed()), publicKey: pair.getPublicKey() };
}

/** A server configuration in operator mode, and the credentials file of a user whom it lets in. */
export function makeCredentials(): { config: string; credentials: string } {
  const [operator, account, user] = [createOperator(), createAccount(), createUser()];
  const operatorJwt = token(operator, operator, "operator", {});
  const limits = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, conn: -1, leaf: -1, wildcards: true };
  const accountJwt = token(operator, account, "account", { limits });
  const userJwt = token(account, user, "user", { pub: {}, sub: {}, subs: -1, data: -1, payload: -1 });
  return {
    config: [
      `operator: ${operatorJwt}`,
      "resolver: MEMORY",
      `resolver_preload: { ${account.getPublicKey()}: ${accountJwt} }`,
    ].join("\n"),
    credentials: [
      "-----BEGIN NATS USER JWT-----",
      userJwt,
      "------END NATS USER JWT------",
      "",
      "-----BEGIN USER NKEY SEED-----",
      decoder.decode(user.getSeed()),
      "------END USER NKEY SEED------",
      "",
    ].join("\n"),
  };
}

function token(issuer: KeyPair, subject: KeyPair, type: string, nats: Record<string, unknown>): string {
  const claims = {
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.getPublicKey(),
    name: type,
    sub: subject.getPublicKey(),
    nats: { ...nats, type, version: 2 },
  };
  const jti = createHash("sha256").update(JSON.stringify(claims)).digest("hex");
  const head = encode({ typ: "JWT", alg: "ed25519-nkey" });
  const body = `${head}.${encode({ jti, ...claims })}`;
  const signature = issuer.sign(new TextEncoder().encode(body));
  return `${body}.${Buffer.from(signature).toString("base64url")}`;
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
