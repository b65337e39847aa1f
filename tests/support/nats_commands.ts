/** Random commands of NATS clients, good and odd ones, for tests that hold them with two servers. */
import fc from "fast-check";

export const subject = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom("a", "a.b", "a.*", "a.>", "*", ">", "a.b.c", "*.b", "inbox.1", "A") },
  { weight: 2, arbitrary: fc.constantFrom("a..b", ".a", "a.", "a.>.b", "a*", "**", ">.a", "a.>b", "$SYS.a", "é") },
);
const reply = fc.constantFrom("", "", "inbox.1", "r", "a..b", "_R_.x", "$JS.ACK.x", "_GR_.x");
const blank = fc.constantFrom(" ", " ", " ", "  ", "\t", " \t ");
const end = fc.constantFrom("\r\n", "\r\n", "\r\n", "\n", " \r\n");
export const sid = fc.constantFrom("1", "2", "3", "x", "abc");
const payload = fc.constantFrom("", "x", "hello", "PIN\r\n", "\r\n", "MSG a 1 1");

function line(...parts: fc.Arbitrary<string>[]): fc.Arbitrary<string> {
  return fc.tuple(blank, end, ...parts).map(([gap, last, ...words]) => words.filter((w) => w !== "").join(gap) + last);
}

export const publish = fc.tuple(line(fc.constantFrom("PUB", "pub", "Pub"), subject, reply, fc.constant("#")), payload)
  .map(([start, body]) => `${start.replace("#", String(body.length))}${body}\r\n`);
export const publishWithHeader = fc.tuple(
  line(fc.constantFrom("HPUB", "hpub"), subject, reply, fc.constant("12"), fc.constant("#")),
  payload,
)
  .map(([start, body]) => `${start.replace("#", String(12 + body.length))}NATS/1.0\r\n\r\n${body}\r\n`);
export const subscribe = line(fc.constantFrom("SUB", "sub"), subject, sid);
export const unsubscribe = line(
  fc.constantFrom("UNSUB", "unsub"),
  sid,
  fc.constantFrom("", "", "1", "2", "5", "0", "x", "-1"),
);
export const publishOddly = fc.tuple(
  subject,
  reply,
  fc.constantFrom("0", "5", "12", "012", "13", "99", "-1", "x", ""),
  fc.constantFrom("0", "12", "14", "0014", "1048577", "999999999", "9999999999", "x", ""),
).map(([to, back, header, total]) => `HPUB ${[to, back, header, total].join(" ")}\r\nNATS/1.0\r\n\r\nhi\r\n`);
/** Values that Go and JavaScript may take for different things. */
const value = fc.constantFrom(
  ...[
    "true",
    "false",
    "null",
    "0",
    "1",
    "2",
    "-1",
    '"x"',
    '""',
    "[]",
    "{}",
    "[1,2]",
    '{"a":{"b":[null]}}',
    '"\\u0061"',
  ],
  ...['"\\ud800"', "1.5", "99999999999999999999", "tru", "01", "'x'", '"\t"', "NaN"],
);
const key = fc.constantFrom(
  ...["verbose", "pedantic", "echo", "headers", "no_responders", "protocol", "VERBOSE", "Echo", "name", "lang"],
  ...["user", "pass", "auth_token", "jwt", "nkey", "sig", "version", "tls_required", "account", "new_account", "x", ""],
);
export const connectOddly = fc.tuple(
  // A key that comes twice counts by its last value here, while Go looks at the first one's kind as well.
  fc.uniqueArray(fc.tuple(key, value), { maxLength: 4, selector: ([name]) => name }),
  fc.constantFrom("", "", "", " ", ",", "}", "{", "\t", "x", "//"),
).map(([pairs, end]) => `CONNECT {${pairs.map(([name, of]) => `"${name}":${of}`).join(",")}}${end}\r\n`);
export const connect = fc.record({
  verbose: fc.boolean(),
  pedantic: fc.boolean(),
  echo: fc.boolean(),
  headers: fc.boolean(),
  no_responders: fc.boolean(),
  protocol: fc.constantFrom(0, 1),
}, { requiredKeys: [] }).map((options) => `CONNECT ${JSON.stringify(options)}\r\n`);
