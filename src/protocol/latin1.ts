/** `bytes[start, end)` as text of one character a byte: a key for maps that is equal exactly when the bytes are. */
export function latin1(bytes: Uint8Array, start = 0, end = bytes.length): string {
  let text = "";
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}
