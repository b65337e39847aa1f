/** Decides as whom a connection is admitted (spec nats-server, section 4). */
import type { Account } from "../account.ts";
import type { Admission, Credentials } from "./admission.ts";
import type { AuthorizationOptions, NkeyUserOptions, PermissionRules, UserOptions } from "../options.ts";
import { type Awaitable, isLater } from "../../../protocol/units.ts";
import type { Clock } from "../../../ports/clock.ts";
import type { PasswordHasher } from "../../../ports/password_hasher.ts";
import type { PeerCertificate } from "../../../ports/network.ts";
import { isHash, samePassword } from "./passwords.ts";
import { Permissions } from "./permissions.ts";
import { sameName } from "./distinguished_names.ts";
import { signed } from "./nkeys.ts";

/** What is known of a connection that wants in. */
export interface Applicant {
  readonly request: Credentials;
  /** The challenge that its INFO carried. */
  readonly nonce: string;
  /** What its TLS certificate says; `undefined` without one. */
  readonly certificate: PeerCertificate | undefined;
}

export interface AuthorizationParts {
  readonly clock: Clock;
  /** Needed only where hashes are configured. */
  readonly passwords: PasswordHasher | undefined;
  /** The account of a name; the global one for `undefined`. */
  account(name: string | undefined): Account;
  /** Users are found by their certificates. */
  readonly mapCertificates: boolean;
}

export class Authorization {
  readonly #options: AuthorizationOptions;
  readonly #parts: AuthorizationParts;
  readonly #users = new Map<string, UserOptions>();
  readonly #nkeys = new Map<string, NkeyUserOptions>();

  constructor(options: AuthorizationOptions, parts: AuthorizationParts) {
    this.#options = options;
    this.#parts = parts;
    for (const user of options.users ?? []) this.#users.set(user.user, user);
    for (const user of options.nkeys ?? []) this.#nkeys.set(user.nkey, user);
    const secrets = [options.password, options.token, ...(options.users ?? []).map((user) => user.password)];
    if (parts.passwords === undefined && secrets.some(isHash)) throw new TypeError("bcrypt needs a password hasher");
  }

  /** Whether anybody is asked for credentials at all. */
  get configured(): boolean {
    return this.#options.user !== undefined || this.#options.token !== undefined || this.#users.size > 0 ||
      this.#nkeys.size > 0;
  }

  /** Whether a connection must say who it is; what INFO calls `auth_required`. */
  get required(): boolean {
    return this.configured && this.#guest === undefined;
  }

  /** Whether INFO carries a challenge. */
  get challenges(): boolean {
    return this.#nkeys.size > 0;
  }

  /** Whether a user or key of this name is configured. */
  knows(name: string): boolean {
    return this.#users.has(name) || this.#nkeys.has(name) || this.#options.user === name;
  }

  /** As whom a connection counts that has not said who it is; `undefined`: it must say so first. */
  anonymous(): Admission | undefined {
    if (!this.configured) return { account: this.#parts.account(undefined), permissions: undefined, user: "" };
    return this.#guest === undefined ? undefined : this.#admit(this.#guest, this.#guest.user);
  }

  /** Checks credentials; `undefined`: refused. Answers later when a hash must be computed. */
  check(applicant: Applicant): Awaitable<Admission | undefined> {
    if (!this.configured) return this.anonymous();
    const { request } = applicant;
    if (this.#guest !== undefined && !this.#parts.mapCertificates && isNobody(request)) return this.anonymous();
    if (request.nkey !== "" && this.#nkeys.size > 0) return this.#checkNkey(applicant);
    if (this.#users.size > 0) return this.#checkUser(applicant);
    const { token, user, password } = this.#options;
    if (token !== undefined) return this.#checkPassword(token, request.token, { user: "" });
    if (user === undefined || request.user !== user) return undefined;
    return this.#checkPassword(password ?? "", request.password, { user });
  }

  get #guest(): UserOptions | undefined {
    const name = this.#options.noAuthUser;
    return name === undefined ? undefined : this.#users.get(name);
  }

  #checkNkey({ request, nonce }: Applicant): Admission | undefined {
    const user = this.#nkeys.get(request.nkey);
    if (user === undefined || user.barred === true || !signed(user.nkey, nonce, request.signature)) return undefined;
    return this.#admit(user, user.nkey);
  }

  #checkUser(applicant: Applicant): Awaitable<Admission | undefined> {
    const { request, certificate } = applicant;
    const user = this.#parts.mapCertificates ? this.#userOf(certificate) : this.#users.get(request.user);
    if (user === undefined || user.barred === true) return undefined;
    return this.#checkPassword(user.password ?? "", request.password, user);
  }

  /** The first user whom the certificate names: by e-mail, DNS name, URI, then subject. */
  #userOf(certificate: PeerCertificate | undefined): UserOptions | undefined {
    if (certificate === undefined) return undefined;
    for (const name of [...certificate.emails, ...certificate.dnsNames, ...certificate.uris]) {
      const user = this.#users.get(name);
      if (user !== undefined) return user;
    }
    for (const user of this.#users.values()) if (sameName(user.user, certificate.subject)) return user;
    return undefined;
  }

  #checkPassword(configured: string, given: string, user: UserOptions): Awaitable<Admission | undefined> {
    const same = samePassword(configured, given, this.#parts.passwords!);
    const admission = (right: boolean) => right ? this.#admit(user, user.user) : undefined;
    return isLater(same) ? same.then(admission) : admission(same);
  }

  #admit(user: { permissions?: PermissionRules; account?: string }, name: string): Admission {
    const rules = user.permissions ?? this.#options.defaultPermissions;
    return {
      account: this.#parts.account(user.account),
      permissions: rules === undefined ? undefined : new Permissions(rules, this.#parts.clock),
      user: name,
    };
  }
}

function isNobody(request: Credentials): boolean {
  return request.user === "" && request.password === "" && request.token === "" && request.nkey === "";
}
