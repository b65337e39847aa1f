/** Scenario 74 (spec nats-server, section 7): the Go streaming server's own NATS server in a mesh with ours. */
import assert from "node:assert/strict";
import { eventually } from "../support/deadline.ts";
import { closeAll, freePort, routePort, startMember } from "../support/mesh.ts";
import { findProgram } from "../support/programs.ts";
import { StanClient } from "../support/stan_client.ts";

const path = findProgram("nats-streaming-server");

for (const dialing of ["ours", "theirs"]) {
  Deno.test({
    name: `74. a STAN client on ours reaches the Go streaming server, ${dialing} dialing`,
    ignore: path === undefined,
  }, async () => {
    const [port, cluster] = [freePort(), freePort()];
    const ours = await startMember("ours", dialing === "ours" ? [cluster] : [], { name: "" });
    const process = new Deno.Command(path!, {
      args: [
        ...["-a", "127.0.0.1", "-p", String(port), "-store", "MEMORY", "-cluster", `nats://127.0.0.1:${cluster}`],
        ...(dialing === "ours" ? [] : ["-routes", `nats-route://127.0.0.1:${routePort(ours)}`]),
      ],
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      await eventually(() => ours.routes.list().length === 1 || undefined, "the route");
      // The streaming part subscribes a moment after its NATS server is up.
      await eventually(
        () => ours.globalAccount.tree.match("_STAN.discover.test-cluster").remotes.length > 0 || undefined,
        "its interest",
      );
      const client = await StanClient.connect(ours.url, "me");
      for (let i = 1; i <= 100; i++) await client.publish("foo", String(i));
      const subscription = await client.subscribe("foo", { start: "first" });
      const got = await subscription.take(100);
      assert.deepEqual(got.map((message) => message.text), Array.from({ length: 100 }, (_, i) => String(i + 1)));
      await client.close();
    } finally {
      process.kill("SIGKILL");
      await process.status;
      await closeAll(ours);
    }
  });
}
