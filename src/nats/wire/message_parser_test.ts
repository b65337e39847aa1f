import assert from "node:assert/strict";
import fc from "fast-check";
import { Frame, MAX_LINE, MessageParser } from "./message_parser.ts";

const text = new TextDecoder("latin1");

interface Seen {
  line?: string;
  sid?: number;
  subject?: string;
  reply?: string;
  payload?: string;
  noResponders?: boolean;
}

function bytes(value: string): Uint8Array {
  return Uint8Array.from(value, (char) => char.charCodeAt(0));
}

/** Runs the parser as a connection would: the buffer grows by `cuts`, an incomplete frame is asked for again. */
function parse(stream: Uint8Array, cuts: number[]): Seen[] {
  const parser = new MessageParser();
  const seen: Seen[] = [];
  let start = 0;
  for (const limit of [...cuts, stream.length]) {
    // A copy that ends at `limit`: reading beyond it would be seen.
    const buffer = stream.slice(0, limit);
    while (start < limit) {
      const frame = parser.next(buffer, start, limit);
      if (frame === Frame.partial) break;
      assert.notEqual(frame, Frame.malformed, `malformed at ${start}`);
      seen.push(frame === Frame.line ? { line: text.decode(buffer.subarray(start, parser.end)) } : describe(parser));
      start = parser.end;
    }
  }
  assert.equal(start, stream.length, "bytes left over");
  return seen;
}

function describe(parser: MessageParser): Seen {
  const { message } = parser;
  const cut = (from: number, to: number) => text.decode(message.buffer.subarray(from, to));
  return {
    sid: parser.sid,
    subject: cut(message.subjectStart, message.subjectEnd),
    reply: cut(message.replyStart, message.replyEnd),
    payload: cut(message.payloadStart, message.payloadEnd),
    noResponders: message.noResponders,
  };
}

function one(stream: string): Seen {
  const seen = parse(bytes(stream), []);
  assert.equal(seen.length, 1);
  return seen[0]!;
}

function first(stream: string): Frame {
  const all = bytes(stream);
  return new MessageParser().next(all, 0, all.length);
}

Deno.test("MessageParser finds a message without reply", () => {
  assert.deepEqual(one("MSG foo.bar s7 5\r\nhello\r\n"), {
    sid: 7,
    subject: "foo.bar",
    reply: "",
    payload: "hello",
    noResponders: false,
  });
});

Deno.test("MessageParser finds a message with reply, an empty one, and one that holds line ends", () => {
  assert.equal(one("MSG foo s12345 _INBOX.x 2\r\n\r\n\r\n").reply, "_INBOX.x");
  assert.equal(one("MSG foo s1 r 4\r\n\r\n\r\n\r\n").payload, "\r\n\r\n");
  assert.equal(one("MSG foo s1 0\r\n\r\n").payload, "");
  assert.equal(one("MSG foo s1 0000002\r\nab\r\n").payload, "ab");
});

Deno.test("MessageParser takes any case, blanks in runs, tabs, and LF alone after the arguments", () => {
  const wanted = { sid: 3, subject: "a", reply: "r", payload: "xy", noResponders: false };
  assert.deepEqual(one("msg \t a\ts3  r \t2 \r\nxy\r\n"), wanted);
  assert.deepEqual(one("Msg a s3 r 2\nxy\r\n"), wanted);
});

Deno.test("MessageParser cuts the header block off", () => {
  assert.deepEqual(one("HMSG foo s1 18 23\r\nNATS/1.0\r\nK: v\r\n\r\nhello\r\n"), {
    sid: 1,
    subject: "foo",
    reply: "",
    payload: "hello",
    noResponders: false,
  });
  assert.equal(one("HMSG foo s1 back 18 18\r\nNATS/1.0\r\nK: v\r\n\r\n\r\n").reply, "back");
});

Deno.test("MessageParser knows the no-responders status, bare and with further fields", () => {
  assert.equal(one("HMSG r s1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n").noResponders, true);
  assert.equal(one("HMSG r s1 37 37\r\nNATS/1.0 503\r\nNats-Subject: nosub\r\n\r\n\r\n").noResponders, true);
  assert.equal(one("HMSG r s1 16 16\r\nNATS/1.0 408\r\n\r\n\r\n").noResponders, false);
  assert.equal(one("MSG r s1 16\r\nNATS/1.0 503\r\n\r\n\r\n").noResponders, false);
});

Deno.test("MessageParser leaves to others the messages whose sid is no letter and number", () => {
  for (const sid of ["7", "x", "ab1", "s1x", "s1234567890123456", "-1"]) {
    assert.equal(one(`MSG a ${sid} 0\r\n\r\n`).sid, -1, sid);
  }
  assert.equal(one("MSG a Z999999999999999 0\r\n\r\n").sid, 999_999_999_999_999);
});

Deno.test("MessageParser gives other lines whole", () => {
  for (const line of ['INFO {"a":1} \r\n', "PING\r\n", "PONG\n", "+OK\n", "-ERR 'Stale Connection'\r\n"]) {
    assert.deepEqual(one(line), { line });
  }
});

Deno.test("MessageParser refuses what no server sends", () => {
  for (
    const stream of [
      "GET / HTTP/1.1\r\n",
      "\r\nPING\r\n",
      "MSX a s1 0\r\n\r\n",
      "HMMG a s1 0\r\n\r\n",
      "MSGa s1 0\r\n\r\n",
      "MSG a s1\r\n\r\n",
      "MSG a s1 x\r\n\r\n",
      "MSG a s1 -1\r\n\r\n",
      "MSG a s1 1234567890\r\n",
      "MSG a s1 r r 2\r\nab\r\n",
      "MSG a s1 2\r\nabc\r\n",
      "MSG a s1 2\r\nab\n\n",
      "HMSG a s1 2\r\nab\r\n",
      "HMSG a s1 3 2\r\nab\r\n",
      "HMSG a s1 r r 0 2\r\nab\r\n",
    ]
  ) assert.equal(first(stream), Frame.malformed, JSON.stringify(stream));
});

Deno.test("MessageParser tells how much a partial message needs and bounds a line that never ends", () => {
  const parser = new MessageParser();
  const start = bytes("MSG a s1 100000\r\nabc");
  assert.equal(parser.next(start, 0, start.length), Frame.partial);
  assert.equal(parser.needed, 17 + 100_000 + 2);
  const endless = new Uint8Array(MAX_LINE + 16).fill(97);
  endless.set(bytes("MSG "));
  assert.equal(parser.next(endless, 0, endless.length), Frame.malformed);
  endless.set(bytes("INFO"));
  assert.equal(parser.next(endless, 0, endless.length), Frame.malformed);
  assert.equal(parser.next(endless, 0, 1000), Frame.partial);
  assert.equal(parser.needed, 0);
});

const token = fc.stringMatching(/^[!-~]{1,12}$/);
const payload = fc.oneof(
  fc.string({ unit: "binary-ascii", maxLength: 40 }),
  fc.constantFrom("", "\r\n", "MSG a s1 0\r\n\r\n"),
);
const frame = fc.oneof(
  fc.record({ subject: token, sid: fc.nat(99999), reply: fc.option(token), payload }).map((m) => ({
    text: `MSG ${m.subject} s${m.sid}${m.reply === null ? "" : ` ${m.reply}`} ${m.payload.length}\r\n${m.payload}\r\n`,
    seen: { sid: m.sid, subject: m.subject, reply: m.reply ?? "", payload: m.payload, noResponders: false } as Seen,
  })),
  fc.record({ subject: token, sid: fc.nat(99999), reply: fc.option(token), payload, none: fc.boolean() }).map((m) => {
    const head = m.none ? "NATS/1.0 503\r\n\r\n" : "NATS/1.0\r\nA: b\r\n\r\n";
    const sizes = `${head.length} ${head.length + m.payload.length}`;
    return {
      text: `HMSG ${m.subject} s${m.sid}${m.reply === null ? "" : ` ${m.reply}`} ${sizes}\r\n${head}${m.payload}\r\n`,
      seen: { sid: m.sid, subject: m.subject, reply: m.reply ?? "", payload: m.payload, noResponders: m.none } as Seen,
    };
  }),
  fc.constantFrom("PING\r\n", "PONG\r\n", "+OK\r\n", "-ERR 'x y'\r\n", "INFO {} \r\n").map((line) => ({
    text: line,
    seen: { line } as Seen,
  })),
);

Deno.test("MessageParser finds the same frames however the stream is cut", () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 12 }), fc.array(fc.nat(2000), { maxLength: 20 }), (frames, rawCuts) => {
      const stream = bytes(frames.map((f) => f.text).join(""));
      const wanted = frames.map((f) => f.seen);
      const cuts = rawCuts.filter((cut) => cut < stream.length).sort((a, b) => a - b);
      assert.deepEqual(parse(stream, cuts), wanted);
      assert.deepEqual(parse(stream, Array.from(stream, (_, i) => i)), wanted);
    }),
    { numRuns: 300, seed: 7 },
  );
});

Deno.test("MessageParser stays within its bounds on arbitrary bytes", () => {
  const noisy = fc.array(fc.oneof(fc.constantFrom("MSG ", "HMSG ", "\r\n", " ", "s1", "9", "INFO"), token), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(noisy, (parts) => {
      const stream = bytes(parts.join(""));
      const parser = new MessageParser();
      let at = 0;
      while (at < stream.length) {
        const found = parser.next(stream, at, stream.length);
        if (found === Frame.partial || found === Frame.malformed) return;
        assert.ok(parser.end > at && parser.end <= stream.length);
        at = parser.end;
      }
    }),
    { numRuns: 2000, seed: 11 },
  );
});
