/** Partitioning with real processes (spec clustering, section 10 and scenarios TS107 to TS113; spec streaming, section 9.8). */
import assert from "node:assert/strict";
import { eventually } from "../support/deadline.ts";
import { natsServerPath, startNatsServer } from "../support/nats_server.ts";
import { type Scenario, scenario } from "../support/scenario.ts";
import { freePorts, type ServerProcess } from "../support/server_process.ts";

interface StartOptions {
  readonly channels: readonly string[];
  /** Lines of NATS configuration. */
  readonly nats?: string;
  readonly streaming?: string;
}

let files = 0;

/** Starts a partitioned server in the scenario's folder. */
function launch(
  world: Scenario,
  { channels, nats = "", streaming = "" }: StartOptions,
  ...args: string[]
): ServerProcess {
  const list = channels.map((name) => `"${name}": {}`).join("\n");
  const file = `partition-${files++}.conf`;
  const config =
    `${nats}\nstreaming {\n partitioning: true\n${streaming}\n store_limits { channels {\n${list}\n} }\n}\n`;
  Deno.writeTextFileSync(`${world.folder}/${file}`, config);
  return world.launch(["-c", file, "-a", "127.0.0.1", ...args]);
}

scenario("TS107: partitioning needs channels with proper names, and no cluster", async (world) => {
  const none = launch(world, { channels: [] }, "-p", "-1");
  assert.equal(await none.exit(), 1);
  assert.match(none.tail(), /\[FTL\] STREAM: Failed to start: stan: no configured channel$/m);
  const bad = launch(world, { channels: ["foo..x"] }, "-p", "-1");
  assert.equal(await bad.exit(), 1);
  assert.match(bad.tail() + await bad.output, /invalid channel name "foo\.\.x"/);
  const clustered = launch(world, { channels: ["foo"] }, "-p", "-1", "-store", "file", "-dir", "store", "-clustered");
  assert.equal(await clustered.exit(), 1);
  assert.match(await clustered.output, /stan: channels partitioning in clustering mode is not supported/);
});

scenario("TS108: a server whose channels conflict does not start, the other one goes on", async (world) => {
  const { url } = await world.server(["-cid", "carrier"]);
  await launch(world, { channels: ["foo.*", "bar"] }, "-nats_server", url).ready();
  const second = launch(world, { channels: ["baz", "foo.bar"] }, "-nats_server", url);
  assert.equal(await second.exit(), 1);
  assert.match(
    second.tail(),
    /\[FTL\] STREAM: Failed to start: channel "foo\.bar" causes conflict with channels on server "\w{22}"$/m,
  );
  const client = await world.client(url, "me");
  await client.publish("foo.bar", "served by the first");
});

scenario(
  "TS109: two servers with disjoint sets serve one client; other channels are served by nobody",
  async (world) => {
    const { url } = await world.server(["-cid", "carrier"]);
    const [a, b] = freePorts(2) as [number, number];
    await launch(world, { channels: ["foo", "orders.*"] }, "-nats_server", url, "-m", `${a}`).ready();
    await launch(world, { channels: ["bar", "logs.>"] }, "-nats_server", url, "-m", `${b}`).ready();
    const client = await world.client(url, "me");
    for (const channel of ["foo", "bar", "orders.new", "logs.a.b"]) {
      await client.publish(channel, channel);
      const subscription = await client.subscribe(channel, { start: "first" });
      assert.equal((await subscription.next()).text, channel);
    }
    const names = async (port: number) => {
      const page = await (await fetch(`http://127.0.0.1:${port}/streaming/channelsz`)).json();
      return page.names;
    };
    assert.deepEqual(await names(a), ["foo", "orders.new"]);
    assert.deepEqual(await names(b), ["bar", "logs.a.b"]);
    for (const port of [a, b]) {
      const page = await (await fetch(`http://127.0.0.1:${port}/streaming/clientsz`)).json();
      assert.deepEqual(page.clients.map(({ id }: { id: string }) => id), ["me"], "each server knows the client");
    }
    const impatient = await world.client(url, "impatient", { ackTimeout: 300 });
    await assert.rejects(impatient.publish("orders.new.x", "nobody's"), /timeout/i);
    await impatient.close();
    await client.close();
  },
);

scenario("TS109: a server alone does not start beside a partitioned one", async (world) => {
  const { url } = await world.server(["-cid", "carrier"]);
  await launch(world, { channels: ["foo"] }, "-nats_server", url).ready();
  const alone = world.launch(["-nats_server", url]);
  assert.equal(await alone.exit(), 1);
  assert.match(alone.tail(), /discovered another streaming server with cluster ID "test-cluster"/);
});

scenario("TS111: a list of channels larger than the maximum payload is compared in parts", async (world) => {
  Deno.writeTextFileSync(`${world.folder}/small.conf`, "max_payload: 2048\n");
  const { url } = await world.server(["-c", "small.conf", "-cid", "carrier"]);
  const channels = Array.from({ length: 90 }, (_, i) => `a.long.name.of.a.channel.number.${i}`);
  await launch(world, { channels }, "-nats_server", url).ready();
  const second = launch(world, { channels: ["other", channels[89]!] }, "-nats_server", url);
  assert.equal(await second.exit(), 1);
  assert.match(
    second.tail(),
    /channel "a\.long\.name\.of\.a\.channel\.number\.89" causes conflict with channels on server/,
  );
  const many = launch(world, { channels: [...channels.map((name) => `b.${name}`), channels[7]!] }, "-nats_server", url);
  assert.equal(await many.exit(), 1);
  assert.match(
    many.tail(),
    /channel "a\.long\.name\.of\.a\.channel\.number\.7" causes conflict with channels on server/,
  );
  const large = launch(world, { channels: ["x".repeat(2_000)] }, "-nats_server", url);
  assert.equal(await large.exit(), 1);
  assert.match(large.tail(), /Failed to start: message payload too small to send channels list$/m);
});

scenario(
  "TS112: servers with a conflict whose NATS servers find each other later say so and end",
  async (world) => {
    const [a, b] = freePorts(2) as [number, number];
    const nats = (own: number, other: number) =>
      `cluster { name: "c", listen: "127.0.0.1:${own}", routes: ["nats-route://127.0.0.1:${other}"] }`;
    const first = launch(world, { channels: ["foo"], nats: nats(a, freePorts(1)[0]!) }, "-p", "-1");
    await first.ready();
    const second = launch(world, { channels: ["foo"], nats: nats(b, freePorts(1)[0]!) }, "-p", "-1");
    await second.ready();
    // A NATS server that knows both brings them together.
    const bridge =
      `cluster { name: "c", listen: "127.0.0.1:-1", routes: ["nats-route://127.0.0.1:${a}", "nats-route://127.0.0.1:${b}"] }`;
    Deno.writeTextFileSync(`${world.folder}/bridge.conf`, `${bridge}\nstreaming { cluster_id: bridge }\n`);
    await world.server(["-c", "bridge.conf"]);
    const conflict =
      /\[FTL\] STREAM: Partitioning error: channel "foo" causes conflict with channels on server "\w{22}"$/;
    const told = await Promise.any([first.line(conflict).then(() => first), second.line(conflict).then(() => second)]);
    assert.equal(await told.exit(), 1);
  },
);

scenario("TS112: the same with external NATS servers", async (world) => {
  const [a, b, c] = freePorts(3) as [number, number, number];
  const start = async (own: number, ...others: number[]) => {
    const routes = others.map((port) => `"nats-route://127.0.0.1:${port}"`).join(", ");
    const config = `cluster { name: "c", listen: "127.0.0.1:${own}", routes: [${routes}] }`;
    const nats = await startNatsServer({ config });
    world.finally(() => nats.stop());
    return `nats://127.0.0.1:${nats.port}`;
  };
  const first = launch(world, { channels: ["foo"] }, "-nats_server", await start(a));
  const second = launch(world, { channels: ["foo"] }, "-nats_server", await start(b));
  await Promise.all([first.ready(), second.ready()]);
  await start(c, a, b);
  const conflict =
    /\[FTL\] STREAM: Partitioning error: channel "foo" causes conflict with channels on server "\w{22}"$/;
  const told = await Promise.any([first.line(conflict).then(() => first), second.line(conflict).then(() => second)]);
  assert.equal(await told.exit(), 1);
}, { ignore: natsServerPath === undefined });

scenario(
  "TS113: a fault tolerant pair for a partition: the standby starts, and takes over without a false conflict",
  async (world) => {
    const { url } = await world.server(["-cid", "carrier"]);
    await launch(world, { channels: ["bar"] }, "-nats_server", url).ready();
    const streaming = `store: file\n dir: "shared"\n ft_group: "ft"\n`;
    const first = launch(world, { channels: ["foo"], streaming }, "-nats_server", url);
    await first.ready();
    const standby = launch(world, { channels: ["foo"], streaming }, "-nats_server", url);
    await standby.line(/Starting in standby mode$/);
    const client = await world.client(url, "me");
    await client.publish("foo", "kept");
    await first.kill();
    await standby.ready();
    await eventually(() => client.publish("foo", "more").then(() => true, () => undefined), "the other one to serve");
    const subscription = await client.subscribe("foo", { start: "first" });
    assert.deepEqual((await subscription.take(2)).map(({ text }) => text), ["kept", "more"]);
    await client.publish("bar", "the other partition");
  },
);
