/** What a connection shows of itself, and as whom it is admitted for that. */
import type { Account } from "../account.ts";
import type { Permissions } from "./permissions.ts";

/** What CONNECT says of who the client is; empty where it says nothing. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
  readonly token: string;
  readonly nkey: string;
  /** Of the challenge in INFO, by that nkey. */
  readonly signature: string;
}

/** As whom a connection was admitted. */
export interface Admission {
  readonly account: Account;
  readonly permissions: Permissions | undefined;
  /** As monitoring shows it; empty when nobody was asked for. */
  readonly user: string;
}
