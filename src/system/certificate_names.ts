/** The names in a TLS certificate, in the forms that authorization compares. */

/** The attributes in the order of RFC 2253, the most specific first; node gives them in the certificate's own order. */
export function distinguishedName(subject: Readonly<Record<string, string | readonly string[]>>): string {
  const parts: string[] = [];
  for (const [attribute, value] of Object.entries(subject)) {
    for (const one of typeof value === "string" ? [value] : value) parts.push(`${attribute}=${escapeValue(one)}`);
  }
  return parts.reverse().join(",");
}

/** Splits node's `DNS:a, email:b, URI:c` form of the alternative names. */
export function subjectNames(list: string): { dnsNames: string[]; emails: string[]; uris: string[] } {
  const names = { dnsNames: [] as string[], emails: [] as string[], uris: [] as string[] };
  for (const [kind, value] of namesIn(list)) {
    if (kind === "DNS") names.dnsNames.push(value);
    else if (kind === "email") names.emails.push(value);
    else if (kind === "URI") names.uris.push(value);
  }
  return names;
}

/** A value in double quotes is a JSON string: node quotes values with characters that could forge another name. */
function* namesIn(list: string): Generator<[kind: string, value: string]> {
  const pattern = /\s*([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:,|$)/y;
  for (let match = pattern.exec(list); match !== null && match[0] !== ""; match = pattern.exec(list)) {
    const value = match[2]!;
    yield [match[1]!, value.startsWith('"') ? JSON.parse(value) as string : value];
  }
}

/** RFC 2253, section 2.4. */
function escapeValue(value: string): string {
  return value.replace(/[,+"\\<>;]|^[ #]| $/g, (character) => `\\${character}`);
}
