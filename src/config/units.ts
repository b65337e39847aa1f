/** Units of what the operator asks for. */

/** A span in milliseconds; may have a fraction. Waits, intervals and timeouts. */
export type Millis = number;

/** A span in nanoseconds. Ages, which are compared with the times of stored messages. */
export type Nanos = bigint;
