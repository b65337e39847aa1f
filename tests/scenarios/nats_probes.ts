/**
 * What a NATS server answers on its client port, byte for byte, to good and bad input (spec nats-server, sections 1.3 to
 * 1.9). Each probe is a fresh connection. The same table runs against ours and against the real server.
 */
import { quietConnect, utf8 } from "../support/raw_nats_client.ts";

export interface Probe {
  /** Begins with the number of the scenario in section 7, where there is one. */
  readonly name: string;
  /** Sent after INFO; quiet CONNECT first unless {@link connect} says otherwise. */
  readonly send: string;
  /** Everything that comes back, without the PONG to a last PING when the connection stays open. */
  readonly expect: string;
  /** Whether the server hangs up. */
  readonly closes?: boolean;
  /** What CONNECT says beyond quiet; `null`: no CONNECT at all. */
  readonly connect?: object | null;
}

const unknown = "-ERR 'Unknown Protocol Operation'\r\n";
const tooLong = "-ERR 'maximum control line exceeded'\r\n";
const tooLarge = "-ERR 'Maximum Payload Violation'\r\n";
const strict = { pedantic: true };
const headers = { headers: true };
const asking = { headers: true, no_responders: true };
const status = (inbox: string, sid: string) => `HMSG ${inbox} ${sid} 16 16\r\nNATS/1.0 503\r\n\r\n\r\n`;

const connecting: Probe[] = [
  { name: "2: PING without CONNECT", connect: null, send: "", expect: "" },
  {
    name: "3: SUB and PUB without CONNECT",
    connect: null,
    send: "SUB foo 1\r\nPUB foo 2\r\nhi\r\n",
    expect: "+OK\r\n+OK\r\nMSG foo 1 2\r\nhi\r\n",
  },
  { name: "4: CONNECT {}", connect: null, send: "CONNECT {}\r\n", expect: "+OK\r\n" },
  { name: "14: CONNECT without a blank", connect: null, send: 'CONNECT{"verbose":false}\r\n', expect: "" },
  { name: "14: connect in lower case", connect: null, send: 'connect {"verbose":false}\r\n', expect: "" },
  { name: "9: CONNECT with bad JSON", connect: null, send: "CONNECT {foo\r\n", expect: "", closes: true },
  { name: "9: CONNECT with an array", connect: null, send: "CONNECT []\r\n", expect: "", closes: true },
  { name: "9: CONNECT with nothing", connect: null, send: "CONNECT \r\n", expect: "", closes: true },
  { name: "9: CONNECT and a line end", connect: null, send: "CONNECT\r\n", expect: "", closes: true },
  { name: "10: CONNECT null", connect: null, send: "CONNECT null\r\n", expect: "+OK\r\n" },
  {
    name: "9: CONNECT with a text for a boolean",
    connect: null,
    send: 'CONNECT {"verbose":"no"}\r\n',
    expect: "",
    closes: true,
  },
  {
    name: "10: CONNECT with unknown keys and other cases",
    connect: null,
    send: 'CONNECT {"Verbose":false,"PEDANTIC":false,"x":[1]}\r\n',
    expect: "",
  },
  {
    name: "11: CONNECT twice",
    send: 'CONNECT {"verbose":true}\r\nSUB a 1\r\n',
    expect: "+OK\r\n+OK\r\n",
  },
  {
    name: "7: CONNECT protocol 2",
    connect: null,
    send: quietConnect({ protocol: 2 }),
    expect: "-ERR 'invalid client protocol'\r\n",
    closes: true,
  },
  {
    name: "7: CONNECT protocol -1",
    connect: null,
    send: quietConnect({ protocol: -1 }),
    expect: "-ERR 'invalid client protocol'\r\n",
    closes: true,
  },
  { name: "9: CONNECT protocol 1.5", connect: null, send: quietConnect({ protocol: 1.5 }), expect: "", closes: true },
  {
    name: "CONNECT with an account",
    connect: null,
    send: quietConnect({ account: "a" }),
    expect: "-ERR 'Authorization Violation'\r\n",
    closes: true,
  },
  {
    name: "CONNECT with a new account",
    connect: null,
    send: quietConnect({ new_account: true }),
    expect: "-ERR 'Authorization Violation'\r\n",
    closes: true,
  },
  {
    name: "8: CONNECT no_responders without headers",
    connect: null,
    send: quietConnect({ no_responders: true }),
    expect: "-ERR 'no responders requires headers support'\r\n",
    closes: true,
  },
  { name: "CONNECT with a user nobody asked for", connect: { user: "a", pass: "b" }, send: "", expect: "" },
  { name: "CONNECT tls_required", connect: { tls_required: true }, send: "", expect: "" },
  {
    name: "4: verbose is the default",
    connect: null,
    send: "CONNECT {}\r\nSUB foo 1\r\nPUB foo 2\r\nhi\r\nUNSUB 1\r\n",
    expect: "+OK\r\n+OK\r\n+OK\r\nMSG foo 1 2\r\nhi\r\n+OK\r\n",
  },
];

const parsing: Probe[] = [
  ...["\r\n", "garbage\r\n", "GET / HTTP/1.1\r\n\r\n", " PING\r\n", "PUBa 1\r\nx\r\n"].map((send) => ({
    name: `20: line ${JSON.stringify(send)}`,
    send,
    expect: unknown,
    closes: true,
  })),
  ...["MSG a 1 1\r\nx\r\n", "MSG a 1 0\r\n\r\n", "RS+ $G a\r\n", "A+ a\r\n", "LS+ a\r\n"].map((send) => ({
    name: `another kind's ${JSON.stringify(send)}`,
    send,
    expect: unknown,
    closes: true,
  })),
  { name: "27: PING with junk", send: "PINGxyz\r\n", expect: "PONG\r\n" },
  { name: "PING with LF", send: "PING\n", expect: "PONG\r\n" },
  { name: "27: PING with 10 kB of junk", send: `PING${"x".repeat(10_000)}\r\n`, expect: "PONG\r\n" },
  { name: "PONG unasked", send: "PONG\r\n", expect: "" },
  { name: "+OK from a client", send: "+OK\r\n", expect: "" },
  { name: "-ERR from a client", send: "-ERR 'x'\r\n", expect: "", closes: true },
  { name: "INFO from a client", send: "INFO {}\r\n", expect: "" },
  { name: "INFO with bad JSON", send: "INFO {x\r\n", expect: "", closes: true },
  { name: "15: PUB line with LF", send: "SUB a 1\r\nPUB a 2\nhi\r\n", expect: "MSG a 1 2\r\nhi\r\n" },
  { name: "16: PUB payload with LF", send: "PUB a 2\r\nhi\n", expect: unknown, closes: true },
  { name: "14: PUB with tabs", send: "SUB\ta\t1\r\nPUB\ta\t2\r\nhi\r\n", expect: "MSG a 1 2\r\nhi\r\n" },
  { name: "14: PUB with blanks", send: "SUB   a  1  \r\nPUB   a  2  \r\nhi\r\n", expect: "MSG a 1 2\r\nhi\r\n" },
  { name: "14: PUB in mixed case", send: "sUb a 1\r\npUb a 2\r\nhi\r\n", expect: "MSG a 1 2\r\nhi\r\n" },
  ...["PUB \r\n", "PUB a\r\n", "PUB a b c 2\r\nhi\r\n", "SUB a\r\n", "SUB a b c d\r\n", "UNSUB \r\n", "UNSUB 1 2 3\r\n"]
    .map((send) => ({ name: `21: count of ${JSON.stringify(send)}`, send, expect: "", closes: true })),
  ...["-1", "+2", "0x2", "abc", "1234567890"].map((size) => ({
    name: `22: size ${size}`,
    send: `PUB a ${size}\r\nhi\r\n`,
    expect: "",
    closes: true,
  })),
  {
    name: "23: size with zeros in front",
    send: "SUB foo 1\r\nPUB foo 0000002\r\nhi\r\n",
    expect: "MSG foo 1 0000002\r\nhi\r\n",
  },
  { name: "24: size 0", send: "SUB foo 1\r\nPUB foo 0\r\n\r\n", expect: "MSG foo 1 0\r\n\r\n" },
  { name: "16: payload shorter than announced", send: "PUB foo 4\r\nhi\r\nPING\r\n", expect: unknown, closes: true },
  { name: "16: payload longer than announced", send: "PUB foo 2\r\nhiya\r\n", expect: unknown, closes: true },
  { name: "25: payload above the limit", send: "PUB foo 1048577\r\n", expect: tooLarge, closes: true },
  { name: "25: payload far above the limit", send: "PUB foo 999999999\r\n", expect: tooLarge, closes: true },
  {
    name: "25: payload at the limit",
    send: `SUB foo 1\r\nPUB foo 1048576\r\n${"x".repeat(1_048_576)}\r\n`,
    expect: `MSG foo 1 1048576\r\n${"x".repeat(1_048_576)}\r\n`,
  },
  { name: "26: arguments of 4096 bytes", send: `SUB ${"a".repeat(4_094)} 1\r\n`, expect: "" },
  { name: "26: arguments of 4097 bytes", send: `SUB ${"a".repeat(4_095)} 1\r\n`, expect: tooLong, closes: true },
  { name: "26: 5000 bytes without a line end", send: `SUB ${"a".repeat(5_000)}`, expect: tooLong, closes: true },
  {
    name: "26: CONNECT of 5000 bytes",
    connect: null,
    send: quietConnect({ name: "a".repeat(5_000) }),
    expect: tooLong,
    closes: true,
  },
  { name: "NUL in a subject", send: "SUB a\0b 1\r\nPUB a\0b 1\r\nx\r\n", expect: "MSG a\0b 1 1\r\nx\r\n" },
  {
    name: "UTF-8 in a subject",
    send: utf8("SUB é.ü 1\r\nPUB é.ü 1\r\nx\r\n"),
    expect: utf8("MSG é.ü 1 1\r\nx\r\n"),
  },
];

const subjects: Probe[] = [
  {
    name: "30: PUB to a pattern",
    send: "SUB foo.* 1\r\nSUB foo.bar 2\r\nPUB foo.* 2\r\nhi\r\n",
    expect: "MSG foo.* 1 2\r\nhi\r\n",
  },
  {
    name: "31: PUB to a pattern, strictly",
    connect: strict,
    send: "SUB foo.* 1\r\nPUB foo.* 2\r\nhi\r\n",
    expect: "-ERR 'Invalid Publish Subject'\r\nMSG foo.* 1 2\r\nhi\r\n",
  },
  ...["a..b", ".a", "a."].map((subject) => ({
    name: `31: PUB ${subject}`,
    send: `SUB > 1\r\nPUB ${subject} 1\r\nx\r\n`,
    expect: "",
  })),
  {
    name: "31: PUB a..b, strictly",
    connect: strict,
    send: "SUB > 1\r\nPUB a..b 1\r\nx\r\n",
    expect: "-ERR 'Invalid Publish Subject'\r\n",
  },
  { name: "reply a..b", send: "SUB a 1\r\nPUB a b..c 2\r\nhi\r\n", expect: "MSG a 1 b..c 2\r\nhi\r\n" },
  { name: "reply b.*", send: "SUB a 1\r\nPUB a b.* 2\r\nhi\r\n", expect: "MSG a 1 b.* 2\r\nhi\r\n" },
  ...["_R_.x", "$JS.ACK.x", "_GR_.x"].map((reply) => ({
    name: `38: reply ${reply}`,
    send: `SUB a 1\r\nPUB a ${reply} 1\r\nx\r\n`,
    expect: `-ERR 'Permissions Violation for Publish with Reply of "${reply}"'\r\n`,
  })),
  {
    name: "PUB _GR_.x",
    send: "PUB _GR_.x 1\r\nx\r\n",
    expect: `-ERR 'Permissions Violation for Publish to "_GR_.x"'\r\n`,
  },
  { name: "PUB $GNR", send: "PUB $GNR.x 1\r\nx\r\n", expect: "" },
  { name: "PUB $SYS", send: "SUB $SYS.x 1\r\nPUB $SYS.x 2\r\nhi\r\n", expect: "MSG $SYS.x 1 2\r\nhi\r\n" },
  ...["a..b", ".a", "a.", "a.>.b"].map((subject) => ({
    name: `28: SUB ${subject}`,
    send: `SUB ${subject} 1\r\nSUB ok 2\r\nPUB ok 1\r\nx\r\n`,
    expect: "-ERR 'Invalid Subject'\r\nMSG ok 2 1\r\nx\r\n",
  })),
  ...["a.>b", "a*.b", "**"].map((subject) => ({
    name: `29: SUB ${subject} is literal`,
    send: `SUB ${subject} 1\r\nPUB ${subject} 1\r\nx\r\nPUB a.bb 1\r\nx\r\n`,
    expect: `MSG ${subject} 1 1\r\nx\r\n`,
  })),
  {
    name: "34: SUB invalid, verbose",
    connect: { verbose: true },
    send: "SUB a..b 1\r\n",
    expect: "+OK\r\n-ERR 'Invalid Subject'\r\n",
  },
  {
    name: "SUB with queue _sys_",
    send: "SUB foo _sys_ 1\r\n",
    expect: `-ERR 'Permissions Violation for Subscription to "foo" using queue "_sys_"'\r\n`,
  },
];

const subscriptions: Probe[] = [
  { name: "32: the same sid again", send: "SUB a 1\r\nSUB a 1\r\nPUB a 1\r\nx\r\n", expect: "MSG a 1 1\r\nx\r\n" },
  {
    name: "32: the same sid again, another subject",
    send: "SUB a 1\r\nSUB b 1\r\nPUB b 1\r\nx\r\nPUB a 1\r\nx\r\n",
    expect: "MSG a 1 1\r\nx\r\n",
  },
  { name: "sid of letters", send: "SUB a abc-XYZ\r\nPUB a 1\r\nx\r\n", expect: "MSG a abc-XYZ 1\r\nx\r\n" },
  { name: "UNSUB unknown", send: "UNSUB 99\r\n", expect: "" },
  { name: "UNSUB unknown, verbose", connect: { verbose: true }, send: "UNSUB 99\r\n", expect: "+OK\r\n+OK\r\n" },
  {
    name: "33: UNSUB with a maximum that is no number",
    send: "SUB a 1\r\nUNSUB 1 x\r\nPUB a 1\r\nx\r\n",
    expect: "",
  },
  {
    name: "33: UNSUB 2 before 4 messages",
    send: "SUB a 1\r\nUNSUB 1 2\r\n" + "PUB a 1\r\nx\r\n".repeat(4),
    expect: "MSG a 1 1\r\nx\r\n".repeat(2),
  },
  {
    name: "33: UNSUB 2 after 3 messages",
    send: "SUB a 1\r\n" + "PUB a 1\r\nx\r\n".repeat(3) + "UNSUB 1 2\r\n" + "PUB a 1\r\nx\r\n",
    expect: "MSG a 1 1\r\nx\r\n".repeat(3),
  },
  { name: "UNSUB 0", send: "SUB a 1\r\nUNSUB 1 0\r\nPUB a 1\r\nx\r\n", expect: "" },
  {
    name: "UNSUB overrides an earlier maximum",
    send: "SUB a 1\r\nUNSUB 1 5\r\nPUB a 1\r\nx\r\nUNSUB 1\r\nPUB a 1\r\nx\r\n",
    expect: "MSG a 1 1\r\nx\r\n",
  },
  { name: "6: echo false", connect: { echo: false }, send: "SUB a 1\r\nPUB a 1\r\nx\r\n", expect: "" },
  { name: "5: echo not mentioned", send: "SUB a 1\r\nPUB a 1\r\nx\r\n", expect: "MSG a 1 1\r\nx\r\n" },
];

const withHeaders: Probe[] = [
  {
    name: "35: HPUB",
    connect: headers,
    send: "SUB a 1\r\nHPUB a 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n",
    expect: "HMSG a 1 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n",
  },
  {
    name: "HPUB with a reply, on a pattern, in odd spacing",
    connect: headers,
    send: "SUB *.* 1\r\nHPUB  a.b  r 018\t20 \r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n",
    expect: "HMSG a.b 1 r 018 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n",
  },
  {
    name: "HPUB without a payload",
    connect: headers,
    send: "SUB a 1\r\nHPUB a 18 18\r\nNATS/1.0\r\nA: b\r\n\r\n\r\n",
    expect: "HMSG a 1 18 18\r\nNATS/1.0\r\nA: b\r\n\r\n\r\n",
  },
  {
    name: "HPUB header size 0",
    connect: headers,
    send: "SUB a 1\r\nHPUB a 0 2\r\nhi\r\n",
    expect: "MSG a 1 2\r\nhi\r\n",
  },
  {
    name: "HPUB with garbage for a header",
    connect: headers,
    send: "SUB a 1\r\nHPUB a 5 7\r\nxxxxxhi\r\n",
    expect: "HMSG a 1 5 7\r\nxxxxxhi\r\n",
  },
  { name: "36: HPUB header larger than all", connect: headers, send: "HPUB a 3 2\r\nhi\r\n", expect: "", closes: true },
  { name: "36: HPUB with one size", connect: headers, send: "HPUB a 2\r\nhi\r\n", expect: "", closes: true },
  { name: "HPUB with 5 arguments", connect: headers, send: "HPUB a b c 1 2\r\nhi\r\n", expect: "", closes: true },
  { name: "36: HPUB unannounced", send: "HPUB a 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n", expect: "", closes: true },
  { name: "HPUB above the limit", connect: headers, send: "HPUB a 2 1048577\r\n", expect: tooLarge, closes: true },
];

const nobody: Probe[] = [
  {
    name: "37: request to nobody",
    connect: asking,
    send: "SUB _INBOX.x.* 7\r\nPUB nobody _INBOX.x.1 2\r\nhi\r\n",
    expect: status("_INBOX.x.1", "7"),
  },
  {
    name: "HPUB request to nobody",
    connect: asking,
    send: "SUB _INBOX.x.* 7\r\nHPUB nobody _INBOX.x.1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
    expect: status("_INBOX.x.1", "7"),
  },
  { name: "request to nobody without an inbox", connect: asking, send: "PUB nobody r 2\r\nhi\r\n", expect: "" },
  {
    name: "request to nobody, unannounced",
    connect: headers,
    send: "SUB r 7\r\nPUB nobody r 2\r\nhi\r\n",
    expect: "",
  },
  {
    name: "request to nobody with echo false",
    connect: { ...asking, echo: false },
    send: "SUB nobody 1\r\nSUB _INBOX.x.* 7\r\nPUB nobody _INBOX.x.1 2\r\nhi\r\n",
    expect: status("_INBOX.x.1", "7"),
  },
  {
    name: "37: request to nobody with a queue as inbox",
    connect: asking,
    send: "SUB _INBOX.x.* q 7\r\nPUB nobody _INBOX.x.1 2\r\nhi\r\n",
    expect: "",
  },
  {
    name: "37: requests to nobody do not count against UNSUB",
    connect: asking,
    send: "SUB _INBOX.x.* 7\r\nUNSUB 7 1\r\n" + "PUB nobody _INBOX.x.1 2\r\nhi\r\n".repeat(2),
    expect: status("_INBOX.x.1", "7").repeat(2),
  },
  {
    name: "request to an invalid subject",
    connect: asking,
    send: "SUB _INBOX.x.* 7\r\nPUB a..b _INBOX.x.1 2\r\nhi\r\n",
    expect: status("_INBOX.x.1", "7"),
  },
];

export const probes: readonly Probe[] = [
  ...connecting,
  ...parsing,
  ...subjects,
  ...subscriptions,
  ...withHeaders,
  ...nobody,
];
