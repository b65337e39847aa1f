/** Which subjects can be published to, and which can be subscribed to, as bytes (spec nats-server, section 1.5). */

const SPACE = 32;
const STAR = 42;
const DOT = 46;
const GREATER = 62;

/** Whether a message may be sent to `subject`: not empty, no white space or control byte, no wildcard token. */
export function isPublishable(subject: Uint8Array): boolean {
  const length = subject.length;
  if (length === 0) return false;
  for (let i = 0; i < length; i++) {
    const byte = subject[i]!;
    if (byte > GREATER || (byte > STAR && byte < GREATER)) continue;
    if (byte <= SPACE) return false;
    if ((byte === STAR || byte === GREATER) && isWholeToken(subject, i)) return false;
  }
  return true;
}

/** Whether `subject` may be subscribed to: no empty token, no white space or control byte, `>` as a token only at the end. */
export function isSubscribable(subject: Uint8Array): boolean {
  let tokenStart = 0;
  for (let i = 0; i <= subject.length; i++) {
    const byte = i < subject.length ? subject[i]! : DOT;
    if (byte <= SPACE) return false;
    if (byte !== DOT) continue;
    if (i === tokenStart) return false;
    if (subject[tokenStart] === GREATER && i === tokenStart + 1 && i < subject.length) return false;
    tokenStart = i + 1;
  }
  return true;
}

function isWholeToken(subject: Uint8Array, at: number): boolean {
  return (at === 0 || subject[at - 1] === DOT) && (at === subject.length - 1 || subject[at + 1] === DOT);
}
