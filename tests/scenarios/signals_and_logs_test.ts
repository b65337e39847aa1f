/**
 * Signals to real processes, what a reload changes while clients are connected, and log files (spec
 * cli-config-monitoring, section 9: the numbers are those of its scenarios).
 */
import assert from "node:assert/strict";
import { eventually } from "../support/deadline.ts";
import { type Scenario, scenario } from "../support/scenario.ts";
import type { ServerProcess } from "../support/server_process.ts";

const loopback = ["-a", "127.0.0.1", "-p", "-1"];

function write(world: Scenario, name: string, text: string): void {
  Deno.writeTextFileSync(`${world.folder}/${name}`, text);
}

function read(world: Scenario, name: string): string {
  return Deno.readTextFileSync(`${world.folder}/${name}`);
}

/** The names of the files that begin so, in order. */
function files(world: Scenario, prefix: string): string[] {
  return [...Deno.readDirSync(world.folder)].map(({ name }) => name).filter((name) => name.startsWith(prefix))
    .toSorted();
}

scenario("44: into a pipe lines have no colours, and with -T=false no time", async (world) => {
  const { server } = await world.server(["-T=false"]);
  assert.ok(server.lines.length > 15);
  for (const line of server.lines) assert.match(line, /^\[\d+\] \[INF\] /);
});

scenario("45: a log file is rotated under load without a lost line", async (world) => {
  const server = world.launch([...loopback, "-l", "f.log", "-log_size_limit", "3000", "-mc", "0", "-m", "-1"]);
  const url = await eventually(() => {
    const line = files(world, "f.log").map((name) => /client connections on (\S+)$/m.exec(read(world, name))?.[1]);
    return line.find((address) => address !== undefined);
  }, "the line with the address");
  const client = await world.client(`nats://${url}`, "me");
  const count = 300;
  await Promise.all(Array.from({ length: count }, (_, i) => client.publish(`c${i}`, "x")));
  await client.close();
  assert.equal(await server.terminate("SIGINT"), 0);
  const names = files(world, "f.log");
  const backups = names.filter((name) => name !== "f.log");
  assert.ok(backups.length > 3, names.join(" "));
  for (const name of backups) assert.match(name, /^f\.log\.\d{4}(?:\.\d\d){5}\.\d{9}$/);
  const text = [...backups, "f.log"].map((name) => read(world, name)).join("");
  const created = [...text.matchAll(/^\[\d+\] \S+ \S+ \[INF\] STREAM: Channel "c(\d+)" has been created$/gm)];
  assert.deepEqual(
    new Set(created.map(([, number]) => Number(number))),
    new Set(Array.from({ length: count }, (_, i) => i)),
  );
  assert.equal(created.length, count);
  assert.match(read(world, backups[1]!), /^\[\d+\] \S+ \S+ \[INF\] Rotated log, backup saved as "f\.log\.[\d.]+"\r\n/);
  assert.deepEqual(server.lines, [], "nothing on the terminal");
}, { ignore: Deno.build.os === "windows" });

scenario("46: SIGUSR1 opens the log file anew after it was renamed", async (world) => {
  const server = world.launch([...loopback, "-l", "f.log"]);
  const ready = () => files(world, "f.log").length > 0 && read(world, "f.log").includes("Streaming Server is ready\n");
  await eventually(() => ready() || undefined, "the ready line");
  Deno.renameSync(`${world.folder}/f.log`, `${world.folder}/old.log`);
  server.signal("SIGUSR1");
  await eventually(
    () => files(world, "f.log").length > 0 && read(world, "f.log").includes("\n") || undefined,
    "the new file",
  );
  assert.match(read(world, "f.log"), /^\[\d+\] \S+ \S+ \[INF\] STREAM: File log re-opened\n/);
});

scenario("46: SIGUSR1 without a log file says so", async (world) => {
  const { server } = await world.server();
  server.signal("SIGUSR1");
  await server.line(/\[INF\] STREAM: File log re-open ignored, not a file logger$/);
});

scenario("47: SIGINT ends with 0, SIGTERM with 143, SIGUSR2 not at all", async (world) => {
  const { server: first } = await world.server();
  first.signal("SIGUSR2");
  first.signal("SIGHUP");
  await first.line(/can only reload config/);
  assert.ok(first.running);
  assert.equal(await first.terminate("SIGINT"), 0);
  await first.line(/\[INF\] STREAM: Shutting down\.$/);
  const { server: second } = await world.server();
  assert.equal(await second.terminate("SIGTERM"), 143);
  assert.deepEqual(second.lines.slice(-3).map((line) => line.slice(line.indexOf("[INF]"))), [
    "[INF] STREAM: Shutting down.",
    "[INF] Initiating Shutdown...",
    "[INF] Server Exiting..",
  ]);
});

scenario("48: -P names the file for the process id, which -sl reads", async (world) => {
  const { server } = await world.server(["-P", "f.pid"]);
  const pid = await eventually(
    () => files(world, "f.pid").length > 0 && read(world, "f.pid") || undefined,
    "the pid file",
  );
  assert.equal(pid, String(server.pid));
  const signaller = world.launch(["-sl", "quit=f.pid"]);
  assert.equal(await signaller.exit(), 0);
  assert.deepEqual(signaller.lines, []);
  assert.equal(await server.exit(), 0);
  assert.equal(read(world, "f.pid"), pid, "the file stays");
});

scenario("49: a process that is not there cannot be signalled", async (world) => {
  const signaller = world.launch(["-sl", "quit=999999999"]);
  assert.equal(await signaller.exit(), 1);
  assert.deepEqual(signaller.lines, ["no such process"]);
});

scenario("50: SIGHUP without a file is an error in the log, and nothing more", async (world) => {
  const { server, url } = await world.server();
  server.signal("SIGHUP");
  await server.line(/\[ERR\] STREAM: Reload: can only reload config when a file is provided using -c or --config$/);
  const client = await world.client(url, "me");
  await client.publish("foo", "x");
});

const base = 'port: -1\nhost: "127.0.0.1"\nhttp_port: -1\nstreaming { id: test-cluster }\n';

/** Writes the file anew and has the server read it. */
async function reload(world: Scenario, server: ServerProcess, text: string, until: RegExp): Promise<void> {
  write(world, "r.conf", base + text);
  const from = server.lines.length;
  server.signal("SIGHUP");
  await server.line(until, { from });
}

async function startWithFile(world: Scenario, text = ""): Promise<{ server: ServerProcess; url: string }> {
  write(world, "r.conf", base + text);
  const server = await world.launch(["-c", "r.conf"]).ready();
  return { server, url: await server.natsUrl() };
}

scenario("51: a reload changes what can be changed, and names what cannot", async (world) => {
  const { server } = await startWithFile(world);
  const monitor = await server.monitorUrl();
  const maxPayload = async () => (await (await fetch(`${monitor}/varz`)).json()).max_payload;
  assert.equal(await maxPayload(), 1048576);
  await reload(world, server, "max_payload: 2097152\n", /Reloaded server configuration$/);
  assert.ok(server.lines.some((line) => line.endsWith("[INF] Reloaded: max_payload = 2097152")));
  assert.equal(await maxPayload(), 2097152);
  await reload(
    world,
    server,
    "port: 4223\nmax_payload: 3000000\n",
    /config reload not supported for Port: old=-1, new=4223$/,
  );
  assert.equal(await maxPayload(), 2097152, "nothing was applied");
  await reload(world, server, "max_payload: many\n", /\[ERR\] STREAM: Reload: r\.conf:5:1: interface conversion/);
  assert.equal(await maxPayload(), 2097152);
});

scenario(
  "a reload of users while clients are connected lets in who is new and not who is gone; streaming goes on",
  async (world) => {
    const users = (...names: string[]) => {
      const list = names.map((name) => `{ user: ${name}, password: secret }`).join(", ");
      return `authorization { users: [ ${list} ] }\nstreaming { id: test-cluster, user: stan, pass: secret }\n`;
    };
    const { server, url } = await startWithFile(world, users("stan", "old", "stays"));
    const login = (name: string) => ({ user: name, pass: "secret" });
    const staying = await world.client(url, "staying", login("stays"));
    const leaving = await world.client(url, "leaving", login("old"));
    const subscription = await staying.subscribe("foo");
    await leaving.publish("foo", "before");
    await reload(world, server, users("stan", "stays", "new"), /Reloaded server configuration$/);
    const entering = await world.client(url, "entering", login("new"));
    await entering.publish("foo", "after");
    assert.deepEqual((await subscription.take(2)).map(({ text }) => text), ["before", "after"]);
    await assert.rejects(world.client(url, "late", { ...login("old"), connectTimeout: 1_000 }));
    assert.equal(await server.terminate("SIGINT"), 0);
  },
);

scenario("a reload moves the log into a file, and debug lines with it", async (world) => {
  const { server } = await startWithFile(world);
  await reload(world, server, "", /Reloaded server configuration$/);
  const before = server.lines.length;
  write(world, "r.conf", `${base}log_file: "new.log"\ndebug: true\n`);
  server.signal("SIGHUP");
  await eventually(
    () =>
      files(world, "new.log").length > 0 && /Reloaded server configuration\n/.exec(read(world, "new.log")) || undefined,
    "the line in the new log",
  );
  assert.match(read(world, "new.log"), /\[INF\] Reloaded: log_file = new\.log\n/);
  assert.equal(await server.terminate("SIGINT"), 0);
  assert.match(read(world, "new.log"), /\[INF\] STREAM: Shutting down\.\n/);
  assert.equal(server.lines.length, before, "nothing more on the terminal");
});

scenario("a log that cannot be opened ends the start with one line", async (world) => {
  for (
    const [args, text] of [
      [
        ["-l", "none/x.log"],
        /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d error opening file: open none\/x\.log: no such file or directory$/,
      ],
      [["-r", "foo://a"], /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d error invalid network type: "foo"$/],
    ] as const
  ) {
    const server = world.launch([...loopback, ...args]);
    assert.equal(await server.exit(), 1);
    assert.equal(server.lines.length, 1);
    assert.match(server.lines[0]!, text);
  }
});
