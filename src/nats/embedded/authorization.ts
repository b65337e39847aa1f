/** Decides as whom a connection is admitted (spec nats-server, section 4). */
import type { Account } from "./account.ts";
import type { Admission } from "./session_host.ts";
import type { AuthorizationOptions } from "./options.ts";
import type { Awaitable } from "../../protocol/units.ts";
import type { ConnectRequest } from "./connect_request.ts";

/** What is known of a connection that wants in. */
export interface Applicant {
  readonly request: ConnectRequest;
  /** The challenge that its INFO carried. */
  readonly nonce: string;
}

export class Authorization {
  readonly #options: AuthorizationOptions;
  readonly #global: Account;

  constructor(options: AuthorizationOptions, global: Account) {
    this.#options = options;
    this.#global = global;
  }

  /** Whether anybody is asked for credentials at all. */
  get required(): boolean {
    return this.#options.user !== undefined || this.#options.token !== undefined;
  }

  /** As whom a connection counts that has not said who it is; `undefined`: it must say so first. */
  anonymous(): Admission | undefined {
    return this.required ? undefined : { account: this.#global, permissions: undefined, user: "" };
  }

  /** Checks credentials; `undefined`: refused. */
  check(applicant: Applicant): Awaitable<Admission | undefined> {
    if (!this.required) return this.anonymous();
    const { request } = applicant;
    const { token, user, password } = this.#options;
    const admitted = token !== undefined
      ? request.token === token
      : request.user === user && request.password === (password ?? "");
    return admitted ? { account: this.#global, permissions: undefined, user: request.user } : undefined;
  }
}
