/** The units that every part of the server counts in, and the conversions between them. */

/** A message's place in its channel: 1 for the first ever stored. 0 means "none". A safe integer, see {@link sequence}. */
export type Sequence = number;

/** A span or a monotonic instant in milliseconds; may have a fraction. */
export type Millis = number;

/** Wall-clock nanoseconds since 1970 UTC, as they stand in stored messages. */
export type Nanos = bigint;

/** A byte position in a file or buffer. */
export type Offset = number;

/** The nanoseconds of `millis`, whose fraction below a nanosecond is dropped. */
export function nanosFromMillis(millis: Millis): Nanos {
  const whole = Math.trunc(millis);
  return BigInt(whole) * 1_000_000n + BigInt(Math.trunc((millis - whole) * 1e6));
}

/** The milliseconds of `nanos`; exact to a microsecond for the next two centuries. */
export function millisFromNanos(nanos: Nanos): Millis {
  return Number(nanos / 1_000n) / 1_000;
}

/** Asserts that `value` is usable as a sequence: a whole number from 0 to 2^53 - 1. */
export function sequence(value: number): Sequence {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`sequence ${value} is not a safe whole number`);
  return value;
}

/** A value that may come at once or later: fast implementations answer without a promise. */
export type Awaitable<T> = T | Promise<T>;

/** Whether an {@link Awaitable} is still on its way. */
export function isLater<T>(value: Awaitable<T>): value is Promise<T> {
  return value instanceof Promise;
}
