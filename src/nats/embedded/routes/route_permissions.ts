/** Which interest a server tells its routes, and which it honours (spec nats-server, section 3.3). */
import { covers, matches } from "../subjects/mod.ts";
import type { ClusterOptions, SubjectRules } from "../options.ts";

export class RoutePermissions {
  readonly #import: SubjectRules;
  readonly #export: SubjectRules;

  constructor(permissions: ClusterOptions["permissions"]) {
    this.#import = permissions?.import ?? {};
    this.#export = permissions?.export ?? {};
  }

  /** Whether others may hear that this is wanted here: the pattern is looked up as if it were a published subject. */
  mayTell(subject: string): boolean {
    const { allow = [], deny = [] } = this.#import;
    return (allow.length === 0 || allow.some((rule) => matches(rule, subject))) &&
      !deny.some((rule) => matches(rule, subject));
  }

  /** Whether messages may go to others who want this: the pattern must lie within an allowed one. */
  mayHonour(subject: string): boolean {
    const { allow = [], deny = [] } = this.#export;
    return (allow.length === 0 || allow.some((rule) => covers(rule, subject))) &&
      !deny.some((rule) => covers(rule, subject));
  }
}
