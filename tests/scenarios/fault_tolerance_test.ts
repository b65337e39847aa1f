/** Fault tolerant mode with real processes on one file store (spec clustering, section 9 and scenarios TS99 to TS106, TS113). */
import assert from "node:assert/strict";
import { connect } from "@nats-io/transport-node";
import { eventually } from "../support/deadline.ts";
import { natsServerPath, startNatsServer } from "../support/nats_server.ts";
import { type Scenario, scenario } from "../support/scenario.ts";
import { freePorts, type ServerProcess } from "../support/server_process.ts";

interface Member {
  readonly process: ServerProcess;
  readonly monitor: string;
}

/** Starts a member of a group against the NATS server at `url`. */
function member(world: Scenario, url: string, { dir = "store", group = "ft", cid = "test-cluster" } = {}): Member {
  const [port] = freePorts(1);
  const process = world.launch([
    ...["-cid", cid, "-store", "file", "-dir", dir, "-ft_group", group, "-nats_server", url],
    ...["-a", "127.0.0.1", "-m", `${port}`],
  ]);
  return { process, monitor: `http://127.0.0.1:${port}` };
}

async function state({ process, monitor }: Member): Promise<string | undefined> {
  if (!process.running) return undefined;
  try {
    const response = await fetch(`${monitor}/streaming/serverz`, { signal: AbortSignal.timeout(2_000) });
    return (await response.json()).state;
  } catch {
    return undefined;
  }
}

/** Waits for heartbeats of active servers of the default cluster id. */
async function heartbeats(url: string, count: number): Promise<void> {
  const nats = await connect({ servers: url });
  const heard = nats.subscribe("_STAN.ft.test-cluster.>", { max: count });
  for await (const _ of heard);
  await nats.close();
}

/** The one that serves, once it does. */
function active(members: readonly Member[]): Promise<Member> {
  return Promise.any(members.map(async (each) => {
    await each.process.line(/Streaming Server is ready$/);
    return each;
  }));
}

scenario(
  "TS99: of three servers on one store the active one is killed: another one takes over with all acked data",
  async (world) => {
    const { url } = await world.server(["-cid", "carrier"]);
    const members = [1, 2, 3].map(() => member(world, url));
    const first = await active(members);
    await eventually(async () => {
      const states = await Promise.all(members.map(state));
      return states.filter((each) => each === "FT_STANDBY").length === 2 || undefined;
    }, "two standbys");
    assert.equal(await state(first), "FT_ACTIVE");
    assert.equal((await fetch(`${first.monitor}/streaming/isFTActive`)).status, 200);

    const client = await world.client(url, "publisher");
    await client.publishMany("foo", 100);
    const durable = await client.subscribe("foo", { durable: "dur", start: "first", manualAcks: true });
    for (const message of (await durable.take(100)).slice(0, 60)) message.ack();
    await eventually(async () => {
      const page = await (await fetch(`${first.monitor}/streaming/channelsz?channel=foo&subs=1`)).json();
      return page.subscriptions[0].pending_count === 40 || undefined;
    }, "60 acks to be taken in");
    // Acks are noted a moment later, except that a subscribe request writes all notes before it is answered.
    await client.subscribe("barrier");

    const rest = members.filter((each) => each !== first);
    await first.process.kill();
    const second = await active(rest);
    await client.publishMany("foo", 10, 101);
    const reader = await client.subscribe("foo", { start: "first" });
    const texts = (await reader.take(110)).map(({ sequence }) => sequence);
    assert.deepEqual(texts, Array.from({ length: 110 }, (_, i) => i + 1));
    await eventually(async () => {
      const page = await (await fetch(`${second.monitor}/streaming/channelsz?channel=foo&subs=1`)).json();
      const kept = page.subscriptions.find((each: { durable_name?: string }) => each.durable_name === "dur");
      return (kept.pending_count === 50 && kept.last_sent === 110) || undefined;
    }, "40 messages of before and 10 of after to be pending");
    const standby = rest.find((each) => each !== second)!;
    assert.equal(await state(standby), "FT_STANDBY");
    assert.equal((await fetch(`${standby.monitor}/streaming/isFTActive`)).status, 204);
  },
);

scenario("TS100: a standby is stopped cleanly and has touched nothing", async (world) => {
  const { url } = await world.server(["-cid", "carrier"]);
  const first = member(world, url);
  await first.process.line(/Server is active$/);
  const standby = member(world, url, { dir: "store" });
  await standby.process.line(/Starting in standby mode$/);
  await eventually(async () => await state(standby) === "FT_STANDBY" || undefined, "the standby's page");
  assert.equal(await standby.process.terminate("SIGINT"), 0);
  assert.deepEqual(standby.process.lines.filter((line) => /\[(ERR|FTL)\]/.test(line)), []);
  assert.equal(await first.process.terminate("SIGINT"), 0);
  const again = member(world, url);
  await again.process.line(/Server is active$/);
});

scenario("an active server that is paused comes back as the active one", async (world) => {
  const { url } = await world.server(["-cid", "carrier"]);
  const first = member(world, url);
  await first.process.ready();
  const standby = member(world, url);
  await standby.process.line(/Starting in standby mode$/);
  first.process.signal("SIGSTOP");
  await standby.process.line(/unable to get store lock at this time, going back to standby$/);
  first.process.signal("SIGCONT");
  const client = await world.client(url, "me");
  await client.publish("foo", "still here");
  assert.equal(await state(first), "FT_ACTIVE");
  assert.equal(await state(standby), "FT_STANDBY");
});

scenario("TS103: the cluster id of the store is compared at activation, which then fails", async (world) => {
  const { url } = await world.server(["-cid", "carrier"]);
  const right = member(world, url);
  await right.process.ready();
  await right.process.terminate();
  const wrong = member(world, url, { cid: "another" });
  await wrong.process.line(/Starting in standby mode$/);
  assert.equal(await wrong.process.exit(), 1);
  assert.match(
    wrong.process.tail(),
    /\[FTL\] STREAM: .*cluster ID "another" does not match recovered value of "test-cluster"/,
  );
});

scenario("TS106: modes that do not go with fault tolerance are refused", async (world) => {
  const memory = world.launch(["-p", "-1", "-a", "127.0.0.1", "-store", "memory", "-ft_group", "ft"]);
  assert.equal(await memory.exit(), 1);
  assert.match(memory.tail(), /\[FTL\] STREAM: Failed to start: ft: only FILE or SQL stores supported in FT mode$/m);
  const clustered = world.launch(["-store", "file", "-dir", "store", "-ft_group", "ft", "-clustered"]);
  assert.equal(await clustered.exit(), 1);
  assert.match(await clustered.output, /stan: fault tolerance in clustering mode is not supported/);
});

scenario("a server of another group, and one with another directory, do not become active", async (world) => {
  const { url } = await world.server(["-cid", "carrier"]);
  const first = member(world, url);
  await first.process.ready();
  const other = member(world, url, { group: "other", dir: "elsewhere" });
  assert.equal(await other.process.exit(), 1);
  assert.match(
    other.process.tail(),
    /\[FTL\] STREAM: ft: server "\w+" of the group "ft" is active for cluster ID "test-cluster"; /,
  );
  const empty = member(world, url, { dir: "empty" });
  await empty.process.line(/Starting in standby mode$/);
  await eventually(async () => await state(empty) === "FT_STANDBY" || undefined, "the standby's page");
  // It has to hear of the store that the active server has. The first heartbeat may have come before it listened.
  await heartbeats(url, 2);
  await first.process.kill();
  assert.equal(await empty.process.exit(), 1);
  assert.match(
    empty.process.tail(),
    /\[FTL\] STREAM: ft: this server's store is not the one that the active server of group "ft" had/,
  );
});

scenario("a server alone on the store of an active one is refused", async (world) => {
  const { url } = await world.server(["-cid", "carrier"]);
  await member(world, url).process.ready();
  const alone = world.launch(["-store", "file", "-dir", "store", "-p", "-1", "-a", "127.0.0.1"]);
  assert.equal(await alone.exit(), 1);
  assert.match(alone.tail(), /\[FTL\] STREAM: Failed to start: store directory "store" is in use by another process/);
});

scenario("an active server whose store another one has taken writes nothing and ends", async (world) => {
  const { url } = await world.server(["-cid", "carrier"]);
  const first = member(world, url);
  await first.process.ready();
  const client = await world.client(url, "me");
  await client.publish("foo", "one");
  const path = `${world.folder}/store/.ft_owner`;
  const note = JSON.parse(Deno.readTextFileSync(path));
  Deno.writeTextFileSync(path, JSON.stringify({ ...note, epoch: note.epoch + 1, server: "thief" }));
  await assert.rejects(client.publish("foo", "two"));
  assert.equal(await first.process.exit(), 1);
  assert.match(
    first.process.tail(),
    /\[FTL\] STREAM: .*the store is no longer this server's: server "thief" has taken it/,
  );
});

scenario("TS101: while NATS is away the standby stays one, and the active server goes on afterwards", async (world) => {
  const nats = await startNatsServer();
  world.finally(() => nats.stop());
  const url = `nats://127.0.0.1:${nats.port}`;
  const first = member(world, url);
  await first.process.ready();
  const standby = member(world, url);
  await standby.process.line(/Starting in standby mode$/);
  await nats.stop();
  await first.process.line(/Unable to send FT heartbeat: nats: outbound buffer limit exceeded$/);
  await standby.process.line(/unable to get store lock at this time, going back to standby$/);
  const again = await startNatsServer({ port: nats.port });
  world.finally(() => again.stop());
  // Each connection comes back by itself: requests of clients arrive on the general one.
  const back = (role: string) => new RegExp(`"_NSS-test-cluster-${role}" reconnected to NATS`);
  await first.process.line(back("general"));
  await Promise.all([first, standby].map(({ process }) => process.line(back("ft"))));
  const client = await world.client(url, "me");
  await client.publish("foo", "still here");
  assert.equal(await state(first), "FT_ACTIVE");
  assert.equal(await state(standby), "FT_STANDBY");
}, { ignore: natsServerPath === undefined });
