/** When a slice is full and the next message opens a new one (spec stores, section 3.7). */
import type { ChannelLimits } from "../../ports/store.ts";
import { type Nanos, nanosFromMillis } from "../../protocol/units.ts";
import type { FileStoreOptions } from "./options.ts";

/** What is looked at in a slice; evicted messages count. */
interface Filling {
  readonly records: number;
  readonly bytes: number;
  readonly firstTime: Nanos;
}

export interface SliceLimits {
  /** 0: no such limit. */
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly maxAge: Nanos;
  reached(slice: Filling, now: Nanos): boolean;
}

const SECOND = 1_000_000_000n;

/** As the options say; with none of the three set, a quarter of the channel's limits. */
export function sliceLimits(
  options: Pick<FileStoreOptions, "sliceMaxMessages" | "sliceMaxBytes" | "sliceMaxAge">,
  channel: ChannelLimits,
): SliceLimits {
  let maxMessages = options.sliceMaxMessages;
  let maxBytes = options.sliceMaxBytes;
  let maxAge = nanosFromMillis(options.sliceMaxAge);
  if (maxMessages === 0 && maxBytes === 0 && maxAge === 0n) {
    if (channel.maxMessages > 0) maxMessages = Math.max(1, Math.floor(channel.maxMessages / 4));
    if (channel.maxBytes > 0) maxBytes = Math.max(1, Math.floor(channel.maxBytes / 4));
    if (channel.maxAge > 0n) maxAge = channel.maxAge / 4n > SECOND ? channel.maxAge / 4n : SECOND;
  }
  return {
    maxMessages,
    maxBytes,
    maxAge,
    reached(slice, now) {
      return slice.records > 0 && ((maxBytes > 0 && slice.bytes >= maxBytes) ||
        (maxMessages > 0 && slice.records >= maxMessages) || (maxAge > 0n && now - slice.firstTime >= maxAge));
    },
  };
}
