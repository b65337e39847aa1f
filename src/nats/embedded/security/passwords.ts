/** Compares passwords and tokens with what is configured, plain or bcrypt (spec nats-server, section 4.2). */
import type { Awaitable } from "../../../protocol/units.ts";
import type { PasswordHasher } from "../../../ports/password_hasher.ts";

const BCRYPT = /^\$2[abxy]\$\d{2}\$.{53}$/;

/** Whether a configured password or token is a hash. */
export function isHash(configured: string | undefined): boolean {
  return configured !== undefined && BCRYPT.test(configured);
}

/** Whether `given` is what `configured` stands for. A hash is compared elsewhere, later, and never equals itself. */
export function samePassword(configured: string, given: string, hasher: PasswordHasher): Awaitable<boolean> {
  return isHash(configured) ? hasher.compare(given, configured) : equal(configured, given);
}

/** Compares in a time that does not tell where two texts differ. */
function equal(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < b.length; i++) difference |= b.charCodeAt(i) ^ a.charCodeAt(i % Math.max(a.length, 1));
  return difference === 0;
}
