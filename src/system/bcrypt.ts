/** Compares a password with a bcrypt hash; slow by design. */
import { compare } from "bcryptjs";

/** What the thread is asked. */
export interface BcryptQuestion {
  readonly id: number;
  readonly password: string;
  readonly hash: string;
}

export interface BcryptAnswer {
  readonly id: number;
  readonly same: boolean;
}

/** Whether the hash was made from the password. Damaged hashes fit nothing. */
export async function sameAsHash({ password, hash }: BcryptQuestion): Promise<boolean> {
  // The library knows every prefix but the rare `$2x$`, which the reference treats like the others.
  return await compare(password, hash.replace(/^\$2x\$/, "$2b$")).catch(() => false);
}
