/** Lines reach syslog daemons in the form that these expect (spec cli-config-monitoring, section 3.2). */
import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import net from "node:net";
import { openSyslog } from "./syslog.ts";
import { openSyslogTransport } from "./syslog_transport.ts";

/** Collects text until it holds what is waited for. */
class Received {
  text = "";
  #changed = Promise.withResolvers<void>();

  add(bytes: Uint8Array): void {
    this.text += new TextDecoder().decode(bytes);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async lines(count: number): Promise<string[]> {
    while (this.text.split("\n").length <= count) await this.#changed.promise;
    return this.text.split("\n").slice(0, count);
  }
}

const remoteLine = /^<(\d)>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d) (\S+) tag\[42\]: (.*)$/;

const common = { tag: "tag", pid: 42 };

Deno.test("lines go as datagrams, with the severity of their level", async () => {
  const daemon = dgram.createSocket("udp4");
  const received = new Received();
  daemon.on("message", (bytes) => received.add(bytes));
  daemon.bind(0, "127.0.0.1");
  await once(daemon, "listening");
  const sink = await openSyslog({
    ...common,
    address: { network: "udp", host: "127.0.0.1", port: daemon.address().port },
  });
  for (const level of ["INF", "TRC", "WRN", "ERR", "FTL", "DBG"] as const) {
    sink.write("[42] ", level, `STREAM: ${level}`);
  }
  const parts = (await received.lines(6)).map((line) => remoteLine.exec(line));
  assert.deepEqual(parts.map((part) => `${part?.[1]} ${part?.[3]}`).toSorted(), [
    "2 STREAM: FTL",
    "3 STREAM: ERR",
    "4 STREAM: WRN",
    "5 STREAM: INF",
    "5 STREAM: TRC",
    "7 STREAM: DBG",
  ]);
  assert.ok(parts.every((part) => part?.[2] === Deno.hostname()));
  assert.equal(sink.reopen(), false);
  await sink.close();
  daemon.close();
  await once(daemon, "close");
});

async function streamDaemon(
  where: { port: number; host: string } | { path: string },
  received: Received,
): Promise<net.Server> {
  const daemon = net.createServer((connection) => {
    connection.on("data", (bytes) => received.add(bytes)).on("error", () => {});
  });
  daemon.listen(where);
  await once(daemon, "listening");
  return daemon;
}

Deno.test("lines go over a stream in their order, the last before closing too", async () => {
  const received = new Received();
  const daemon = await streamDaemon({ port: 0, host: "127.0.0.1" }, received);
  const { port } = daemon.address() as net.AddressInfo;
  const sink = await openSyslog({ ...common, address: { network: "tcp", host: "127.0.0.1", port } });
  for (let i = 0; i < 500; i++) sink.write("", "INF", `line ${i}`);
  await sink.close();
  sink.write("", "INF", "too late");
  const lines = await received.lines(500);
  assert.deepEqual(lines.map((line) => remoteLine.exec(line)?.[3]), Array.from({ length: 500 }, (_, i) => `line ${i}`));
  daemon.close();
  await once(daemon, "close");
});

Deno.test("a daemon that comes back gets the lines that waited", async () => {
  const first = new Received();
  const daemon = net.createServer((connection) => {
    connection.once("data", (bytes) => {
      first.add(bytes);
      connection.resetAndDestroy();
    });
  }).listen(0, "127.0.0.1");
  await once(daemon, "listening");
  const { port } = daemon.address() as net.AddressInfo;
  const sink = await openSyslog({ ...common, address: { network: "tcp", host: "127.0.0.1", port } });
  sink.write("", "INF", "seen by the first");
  await first.lines(1);
  daemon.close();
  await once(daemon, "close");
  const second = new Received();
  const successor = await streamDaemon({ port, host: "127.0.0.1" }, second);
  // A stream tells of its end with a delay: what is written before that is lost.
  let sent = 0;
  const writing = setInterval(() => sink.write("", "INF", `again ${sent++}`), 20);
  await second.lines(2);
  clearInterval(writing);
  assert.match(second.text, /tag\[42\]: again \d+\n/);
  await sink.close();
  successor.close();
  await once(successor, "close");
});

Deno.test("a local daemon gets datagrams or a stream, in the short form", async () => {
  const folder = Deno.makeTempDirSync();
  const received = new Received();
  const datagrams = Deno.listenDatagram({ transport: "unixpacket", path: `${folder}/log` });
  const local = await openSyslogTransport({ network: "local" }, [`${folder}/none`, `${folder}/log`]);
  await local.send(new TextEncoder().encode("a datagram"));
  const [bytes] = await datagrams.receive();
  assert.equal(new TextDecoder().decode(bytes), "a datagram");
  local.close();
  datagrams.close();

  const daemon = await streamDaemon({ path: `${folder}/stream` }, received);
  const stream = await openSyslogTransport({ network: "local" }, [`${folder}/stream`]);
  await stream.send(new TextEncoder().encode("over a stream\n"));
  assert.deepEqual(await received.lines(1), ["over a stream"]);
  stream.close();
  daemon.close();
  await once(daemon, "close");
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("daemons that are not there are named with the reason", async () => {
  const fails = async (address: Parameters<typeof openSyslogTransport>[0], message: string | RegExp) => {
    await assert.rejects(openSyslogTransport(address, []), { message });
  };
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = free.addr;
  free.close();
  await fails({ network: "local" }, 'error connecting to syslog: "Unix syslog delivery error"');
  await fails(
    { network: "tcp", host: "127.0.0.1", port },
    `error connecting to syslog: "dial tcp 127.0.0.1:${port}: connect: connection refused"`,
  );
  await fails(
    { network: "unix", path: "/nowhere/log" },
    'error connecting to syslog: "dial unix /nowhere/log: connect: no such file or directory"',
  );
});
