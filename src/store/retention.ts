/** Which messages a channel's limits evict (spec stores, section 2.4). */
import type { ChannelLimits } from "../ports/store.ts";
import type { Nanos } from "../protocol/units.ts";

/** Whether the first message must go: the newest always stays, even alone above the limit on bytes. */
export function exceeds(count: number, bytes: number, limits: ChannelLimits): boolean {
  return count > 1 &&
    ((limits.maxMessages > 0 && count > limits.maxMessages) || (limits.maxBytes > 0 && bytes > limits.maxBytes));
}

/** The newest time that has expired at `now`; `undefined` when age is not limited. */
export function expiryTime(now: Nanos, limits: ChannelLimits): Nanos | undefined {
  return limits.maxAge > 0n ? now - limits.maxAge : undefined;
}

/** The line that says, once per channel, that messages are being dropped. */
export function limitsReached(channel: string, count: number, bytes: number, limits: ChannelLimits): string {
  return `Reached limits for store "${channel}" (msgs=${count}/${limits.maxMessages} bytes=${formatBytes(bytes)}/` +
    `${formatBytes(limits.maxBytes)}), dropping old messages to make room for new ones`;
}

/** A size as the reference prints it: `512 B`, `1.50 KB`. */
export function formatBytes(size: number): string {
  if (size < 1024) return `${size} B`;
  let value = size;
  let unit = -1;
  while (value >= 1024 && unit < 5) {
    value /= 1024;
    unit++;
  }
  return `${value.toFixed(2)} ${"KMGTPE"[unit]}B`;
}
