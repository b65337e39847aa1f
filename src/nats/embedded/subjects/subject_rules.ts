/** How a subject pattern relates to a subject or to another pattern. Texts hold one character a byte. */

/** Whether a published subject, taken literally, matches a pattern. */
export function matches(pattern: string, subject: string): boolean {
  if (pattern === subject) return true;
  const wanted = pattern.split(".");
  const tokens = subject.split(".");
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i] === ">" && i === wanted.length - 1) return tokens.length > i;
    if (i >= tokens.length || (wanted[i] !== "*" && wanted[i] !== tokens[i])) return false;
  }
  return tokens.length === wanted.length;
}

/** Whether everything that `narrow` matches is matched by `wide` too. */
export function covers(wide: string, narrow: string): boolean {
  const outer = wide.split(".");
  const inner = narrow.split(".");
  for (let i = 0; i < outer.length; i++) {
    if (outer[i] === ">" && i === outer.length - 1) return inner.length > i;
    if (i >= inner.length) return false;
    // The rest of the narrow one can be longer than one token.
    if (inner[i] === ">" && i === inner.length - 1) return false;
    if (outer[i] !== "*" && outer[i] !== inner[i]) return false;
  }
  return inner.length === outer.length;
}

/** The parts of an entry `subject` or `subject queue`. */
export function splitEntry(entry: string): { readonly subject: string; readonly queue: string | undefined } {
  const [subject, queue] = entry.trim().split(/[ \t]+/);
  return { subject: subject ?? "", queue };
}
