/** Assertions that stay on in production: a bug ends the process instead of spreading (three kinds of error). */

/** A promise that this code makes to itself was broken. */
export class RaftBug extends Error {
  override readonly name = "RaftBug";
}

/** Throws {@link RaftBug} unless `condition` holds. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new RaftBug(message);
}
