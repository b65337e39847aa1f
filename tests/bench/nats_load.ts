/**
 * One client of a NATS load test, made of bytes so that it costs little beside the server:
 *
 *     deno run -A nats_load.ts <port> pub <messages> <size>     publishes, prints the seconds until all was taken
 *     deno run -A nats_load.ts <port> sub <messages> <size>     receives, prints `ready`, then the seconds from first to last
 *     deno run -A nats_load.ts <port> idle <connections>        connects, prints `ready`, stays until stdin ends
 */
const [port, role, countText, sizeText] = Deno.args;
const count = Number(countText);
const size = Number(sizeText ?? 0);
const encoder = new TextEncoder();
const subject = "bench.subject";
const connectLine = 'CONNECT {"verbose":false,"pedantic":false}\r\n';

async function dial(): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
  connection.setNoDelay(true);
  return connection;
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** Reads until the server has answered a PING; its own pings may come before or after. */
async function untilPong(connection: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(65_536);
  let tail = "";
  while (!tail.includes("PONG\r\n")) {
    const n = await connection.read(buffer);
    if (n === null) throw new Error("the server hung up");
    tail = (tail + new TextDecoder().decode(buffer.subarray(Math.max(0, n - 64), n))).slice(-64);
  }
}

async function publish(): Promise<void> {
  const connection = await dial();
  await writeAll(connection, encoder.encode(`${connectLine}PING\r\n`));
  await untilPong(connection);
  const frame = encoder.encode(`PUB ${subject} ${size}\r\n${"x".repeat(size)}\r\n`);
  const perBlock = Math.max(1, Math.floor(65_536 / frame.length));
  const block = new Uint8Array(perBlock * frame.length);
  for (let i = 0; i < perBlock; i++) block.set(frame, i * frame.length);
  const begun = performance.now();
  for (let left = count; left > 0; left -= perBlock) {
    await writeAll(connection, left >= perBlock ? block : block.subarray(0, left * frame.length));
  }
  await writeAll(connection, encoder.encode("PING\r\n"));
  await untilPong(connection);
  console.log((performance.now() - begun) / 1_000);
  connection.close();
}

async function receive(): Promise<void> {
  const connection = await dial();
  await writeAll(connection, encoder.encode(`${connectLine}SUB ${subject} 1\r\nPING\r\n`));
  await untilPong(connection);
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

async function idle(): Promise<void> {
  const connections: Deno.Conn[] = [];
  const line = encoder.encode(`${connectLine}PING\r\n`);
  while (connections.length < count) {
    const batch = await Promise.all(Array.from({ length: Math.min(100, count - connections.length) }, async () => {
      const connection = await dial();
      await writeAll(connection, line);
      await untilPong(connection);
      return connection;
    }));
    connections.push(...batch);
  }
  console.log("ready");
  await new Response(Deno.stdin.readable).text();
  for (const connection of connections) connection.close();
}

if (role === "pub") await publish();
else if (role === "sub") await receive();
else await idle();
