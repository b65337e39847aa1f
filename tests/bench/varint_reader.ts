/** Reads a protobuf varint below 2^53. */
export function readVarint(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let scale = 1;; scale *= 128) {
    const byte = bytes[at++]!;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
  }
}
