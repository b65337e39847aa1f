/**
 * One client of a NATS load test, made of bytes so that it costs little beside the server:
 *
 *     deno run -A nats_load.ts <port> <plain|tls> <role> …
 *       pub <messages> <size>          publishes, prints the seconds until all was taken
 *       sub <messages> <size>          receives, prints `ready`, then the seconds from first to last
 *       answer                         answers requests, prints `ready`, stays until stdin ends
 *       ask <requests> <requesters>    each requester on a connection of its own, one request at a time; prints the seconds
 *                                      and the round trips' median, 99th percentile and maximum in microseconds
 *       idle <connections>             connects, prints `ready`, stays until stdin ends
 */
import { authority } from "../support/certificates.ts";

const [port, encryption, role, countText, sizeText] = Deno.args;
const count = Number(countText);
const size = Number(sizeText ?? 0);
const encoder = new TextEncoder();
const subject = "bench.subject";
const connectLine = 'CONNECT {"verbose":false,"pedantic":false}\r\n';
/** Bytes of a published block. */
const BLOCK = 65_536;
/** Payload of a request and of its answer. */
const REQUEST = 32;

async function dial(): Promise<Deno.Conn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
  connection.setNoDelay(true);
  if (encryption !== "tls") return connection;
  await until(connection, "\r\n");
  return await Deno.startTls(connection, { hostname: "localhost", caCerts: [authority] });
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** Reads until `text` has come; more may come before or after it. */
async function until(connection: Deno.Conn, text: string): Promise<void> {
  const buffer = new Uint8Array(65_536);
  let tail = "";
  while (!tail.includes(text)) {
    const n = await connection.read(buffer);
    if (n === null) throw new Error("the server hung up");
    tail = (tail + new TextDecoder().decode(buffer.subarray(Math.max(0, n - 64), n))).slice(-64);
  }
}

/** Connects, says `lines` and waits until the server has taken them. */
async function open(lines = ""): Promise<Deno.Conn> {
  const connection = await dial();
  await writeAll(connection, encoder.encode(`${connectLine}${lines}PING\r\n`));
  await until(connection, "PONG\r\n");
  return connection;
}

async function publish(): Promise<void> {
  const connection = await open();
  const frame = encoder.encode(`PUB ${subject} ${size}\r\n${"x".repeat(size)}\r\n`);
  const perBlock = Math.max(1, Math.floor(BLOCK / frame.length));
  const block = new Uint8Array(perBlock * frame.length);
  for (let i = 0; i < perBlock; i++) block.set(frame, i * frame.length);
  const begun = performance.now();
  for (let left = count; left > 0; left -= perBlock) {
    await writeAll(connection, left >= perBlock ? block : block.subarray(0, left * frame.length));
  }
  await writeAll(connection, encoder.encode("PING\r\n"));
  await until(connection, "PONG\r\n");
  console.log((performance.now() - begun) / 1_000);
  connection.close();
}

async function receive(): Promise<void> {
  const connection = await open(`SUB ${subject} 1\r\n`);
  console.log("ready");
  const wanted = count * (`MSG ${subject} 1 ${size}\r\n`.length + size + 2);
  const buffer = new Uint8Array(262_144);
  let begun = 0;
  for (let got = 0; got < wanted;) {
    const n = await connection.read(buffer);
    if (n === null) throw new Error(`the server hung up after ${got} of ${wanted} bytes`);
    if (got === 0) begun = performance.now();
    got += n;
  }
  console.log((performance.now() - begun) / 1_000);
  connection.close();
}

/** Every reply subject is four digits, so that requests are all of one length. */
async function answer(): Promise<void> {
  const connection = await open(`SUB ${subject} 1\r\n`);
  console.log("ready");
  void new Response(Deno.stdin.readable).text().then(() => Deno.exit());
  const head = `MSG ${subject} 1 `.length;
  const length = head + `0000 ${REQUEST}\r\n`.length + REQUEST + 2;
  const reply = encoder.encode(`PUB 0000 ${REQUEST}\r\n${"y".repeat(REQUEST)}\r\n`);
  const buffer = new Uint8Array(65_536);
  const out = new Uint8Array(65_536);
  let filled = 0;
  for (;;) {
    const n = await connection.read(buffer.subarray(filled));
    if (n === null) break;
    filled += n;
    let at = 0;
    let written = 0;
    for (; filled - at >= length; at += length) {
      // A ping of the server's.
      if (buffer[at] === 80) at += 6;
      if (filled - at < length) break;
      out.set(reply, written);
      out.set(buffer.subarray(at + head, at + head + 4), written + 4);
      written += reply.length;
    }
    buffer.copyWithin(0, at, filled);
    filled -= at;
    if (written > 0) await writeAll(connection, out.subarray(0, written));
  }
}

async function ask(): Promise<void> {
  const requesters = await Promise.all(Array.from({ length: size }, async (_, i) => {
    const inbox = String(i).padStart(4, "0");
    return { inbox, connection: await open(`SUB ${inbox} 1\r\n`) };
  }));
  const answerLength = `MSG 0000 1 ${REQUEST}\r\n`.length + REQUEST + 2;
  const trips = new Float64Array(count);
  let asked = 0;
  const begun = performance.now();
  await Promise.all(requesters.map(async ({ inbox, connection }) => {
    const request = encoder.encode(`PUB ${subject} ${inbox} ${REQUEST}\r\n${"x".repeat(REQUEST)}\r\n`);
    const buffer = new Uint8Array(1_024);
    while (asked < count) {
      const trip = asked++;
      const start = performance.now();
      await writeAll(connection, request);
      for (let got = 0; got < answerLength;) {
        const n = await connection.read(buffer);
        if (n === null) throw new Error("the server hung up");
        // A ping of the server's before the answer does not count.
        got += buffer[0] === 80 ? n - 6 : n;
      }
      trips[trip] = performance.now() - start;
    }
  }));
  const seconds = (performance.now() - begun) / 1_000;
  trips.sort();
  const micros = (share: number) => Math.round(trips[Math.min(count - 1, Math.floor(count * share))]! * 1_000);
  console.log([seconds, micros(0.5), micros(0.99), micros(1)].join(" "));
  for (const { connection } of requesters) connection.close();
}

async function idle(): Promise<void> {
  const connections: Deno.Conn[] = [];
  while (connections.length < count) {
    const batch = Array.from({ length: Math.min(100, count - connections.length) }, () => open());
    connections.push(...await Promise.all(batch));
  }
  console.log("ready");
  await new Response(Deno.stdin.readable).text();
  for (const connection of connections) connection.close();
}

const roles: Readonly<Record<string, () => Promise<void>>> = { pub: publish, sub: receive, answer, ask, idle };
await roles[role!]!();
