/** Channel limits after inheritance, as the machine applies them. 0 means unlimited. */
import type { Nanos } from "../protocol/units.ts";

export interface ChannelLimits {
  readonly maxSubscriptions: number;
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly maxAge: Nanos;
  readonly maxInactivity: Nanos;
}
