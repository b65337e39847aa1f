/** What two nodes compare to learn whether they hold the same messages, without sending them. */
import type { Replica } from "../../ports/journal.ts";
import type { Sequence } from "../../protocol/units.ts";
import { crc32c } from "../wire/mod.ts";

/** So many bytes of messages are looked at for one answer at most: a few milliseconds' work. */
export const DIGEST_BYTES = 1024 * 1024;

/** Over the messages from `from` up to, not including, `next`. */
export interface Digest {
  readonly next: Sequence;
  /** CRC-32C over each message's sequence (u32, u32), length (u32) and checksum (u32), in order. */
  readonly digest: number;
}

/** At least one message is looked at, and no more once they pass `maxBytes`. */
export async function digestOf(
  replica: Pick<Replica, "readMessages">,
  channel: string,
  from: Sequence,
  to: Sequence,
  maxBytes: number,
): Promise<Digest> {
  const link = new DataView(new ArrayBuffer(20));
  let digest = 0;
  let bytes = 0;
  let stoppedAt: Sequence | undefined;
  const next = await replica.readMessages(channel, from, to, maxBytes, (sequence, buffer, start, end) => {
    if (bytes > 0 && bytes + end - start > maxBytes) {
      stoppedAt = sequence;
      return false;
    }
    bytes += end - start;
    link.setUint32(0, digest, true);
    link.setUint32(4, sequence % 0x100000000, true);
    link.setUint32(8, Math.floor(sequence / 0x100000000), true);
    link.setUint32(12, end - start, true);
    link.setUint32(16, crc32c(buffer, start, end), true);
    digest = crc32c(new Uint8Array(link.buffer));
    return true;
  });
  return { next: stoppedAt ?? next, digest };
}
