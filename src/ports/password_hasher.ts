/** Slow password hashes, compared where messages do not have to wait for it. */

export interface PasswordHasher {
  /** Whether a bcrypt hash was made from `password`; `false` for a damaged hash. Never rejects. */
  compare(password: string, hash: string): Promise<boolean>;
  /** Ends what compares; what is still asked is answered with no. Idempotent. */
  close(): void;
}
