/** Meshes with the real `nats-server` (spec nats-server, section 7, scenarios 71 to 74); newer ones where they are found. */
import assert from "node:assert/strict";
import { authority, certificatePath, serverIdentity } from "../support/certificates.ts";
import { eventually } from "../support/deadline.ts";
import { closeAll, freePort, routePort, startMember } from "../support/mesh.ts";
import { goServer, routed, routeTo, talks, versions } from "../support/go_mesh.ts";
import { natsServerPath } from "../support/nats_server.ts";
import { quietConnect, RawNatsClient } from "../support/raw_nats_client.ts";

const ignore = natsServerPath === undefined;

/** A group with one member on each server, and headers: what buses do not offer. */
async function sharesGroups(publishAt: number, memberPorts: readonly number[], known: () => boolean): Promise<void> {
  const members = await Promise.all(memberPorts.map((port) => RawNatsClient.connect(port)));
  for (const member of members) await member.ask(`${quietConnect({ headers: true })}SUB jobs q 1\r\n`);
  await eventually(() => known() || undefined, "the group's members");
  const publisher = await RawNatsClient.connect(publishAt);
  const job = "HPUB jobs r 12 13\r\nNATS/1.0\r\n\r\nx\r\n";
  await publisher.ask(quietConnect({ headers: true }) + job.repeat(300));
  const received = () => members.map((member) => member.received.split("HMSG jobs 1 r 12 13\r\n").length - 1);
  await eventually(() => received().reduce((a, b) => a + b) >= 300 || undefined, "the jobs");
  assert.equal(received().reduce((a, b) => a + b), 300);
  assert.ok(received().every((count) => count > 30), `shared as ${received()}`);
  await Promise.all([...members, publisher].map((client) => client.close()));
}

for (const [version, path] of Object.entries(versions)) {
  for (const dialing of ["ours", "theirs"]) {
    Deno.test(`71, 72. a mesh with nats-server (${version}), ${dialing} dialing`, async () => {
      const port = freePort();
      const first = dialing === "ours" ? await goServer(path, "go", { port }) : undefined;
      const ours = await startMember("ours", first === undefined ? [] : [port]);
      const theirs = first ?? await goServer(path, "go", { routes: [routeTo(ours)] });
      await routed(ours, 1);
      const before = ours.routes.list()[0]!.id;
      await talks(ours, theirs);
      // Past the first pings, and past the attempts of newer servers to open further connections.
      await eventually(() => ours.routes.list()[0]!.roundTrip > 0 || undefined, "the answer to a ping");
      await new Promise((resolve) => setTimeout(resolve, 1_200));
      assert.deepEqual(ours.routes.list().map((route) => route.id), [before], "the route was replaced");
      await talks(ours, theirs);
      const { tree } = ours.globalAccount;
      await sharesGroups(
        ours.address.port,
        [ours.address.port, theirs.port],
        () => tree.match("jobs").groups.some((group) => group.remoteWeight === 1),
      );
      await closeAll(ours);
      await theirs.stop();
    });
  }
}

Deno.test({ name: "73. a mesh of ours and real ones, found by gossip", ignore }, async () => {
  const paths = Object.values(versions);
  const seed = await startMember("seed", []);
  const go1 = await goServer(paths[0]!, "go1", { routes: [routeTo(seed)] });
  const go2 = await goServer(paths.at(-1)!, "go2", { routes: [routeTo(seed)] });
  const other = await startMember("other", [routePort(seed)]);
  await routed(seed, 3);
  await routed(other, 3);
  for (const ours of [seed, other]) for (const theirs of [go1, go2]) await talks(ours, theirs);
  const weight = () => seed.globalAccount.tree.match("jobs").groups[0]?.remoteWeight;
  await sharesGroups(seed.address.port, [go1.port, go2.port, other.address.port], () => weight() === 3);
  await closeAll(seed, other);
  await Promise.all([go1.stop(), go2.stop()]);
});

Deno.test({ name: "a real server without a cluster name and one of ours agree", ignore }, async () => {
  const ours = await startMember("ours", [], { name: "" });
  const theirs = await goServer(natsServerPath!, "go", { routes: [routeTo(ours)], block: "no_advertise: false" });
  await routed(ours, 1);
  await talks(ours, theirs);
  await closeAll(ours);
  await theirs.stop();
});

Deno.test({ name: "TLS and a password on routes with a real server, either dialing", ignore }, async () => {
  const [cert, key, ca] = ["server.pem", "server.key", "authority.pem"].map(certificatePath);
  const block = `name: c1, authorization { user: ru, password: "r:p" }
    tls { cert_file: "${cert}", key_file: "${key}", ca_file: "${ca}" }`;
  const authorization = { user: "ru", password: "r:p" };
  const tls = { certificate: serverIdentity.certificate, key: serverIdentity.key, authorities: authority };
  const port = freePort();
  const route = (to: number) => `nats-route://ru:r%3Ap@127.0.0.1:${to}`;
  const first = await goServer(natsServerPath!, "go1", { port, block });
  const ours = await startMember("ours", [], { tls, authorization, routes: [route(port)] });
  const second = await goServer(natsServerPath!, "go2", { block, routes: [route(routePort(ours))] });
  await routed(ours, 2);
  await talks(ours, first);
  await talks(ours, second);
  await closeAll(ours);
  await Promise.all([first.stop(), second.stop()]);
});

Deno.test({ name: "a real server restarts: the route comes back with all interest", ignore }, async () => {
  const port = freePort();
  const first = await goServer(natsServerPath!, "go", { port });
  const ours = await startMember("ours", [port]);
  await routed(ours, 1);
  await talks(ours, first);
  await first.stop();
  await routed(ours, 0);
  assert.equal(ours.globalAccount.tree.remoteCount, 0);
  const again = await goServer(natsServerPath!, "go", { port });
  await routed(ours, 1);
  await talks(ours, again);
  await closeAll(ours);
  await again.stop();
});
