/** Compares distinguished names, e.g. `CN=client,OU=test`, as sets of their parts (spec nats-server, section 4.7). */

/** Whether two names have the same parts, in whatever order; attribute names compare without case. */
export function sameName(a: string, b: string): boolean {
  const left = partsOf(a);
  const right = partsOf(b);
  return left.length > 0 && left.length === right.length && left.every((part, i) => part === right[i]);
}

function partsOf(name: string): string[] {
  const parts: string[] = [];
  // A comma or plus after a backslash belongs to the value.
  for (const part of name.match(/(?:\\.|[^,+\\])+/g) ?? []) {
    const at = part.indexOf("=");
    if (at < 0) return [];
    parts.push(`${part.slice(0, at).trim().toUpperCase()}=${part.slice(at + 1).trim()}`);
  }
  return parts.sort();
}
