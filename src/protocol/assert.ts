/** A condition that only a bug can break ends the process: going on with a wrong state would do more harm. */

/** Something that cannot be has happened. */
export class Bug extends Error {
  override readonly name = "Bug";
}

/** Throws {@link Bug} unless `condition` holds. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Bug(message);
}
