import assert from "node:assert/strict";
import { configuration, portsFrom } from "./cluster.ts";

Deno.test("cluster: no two nodes share a port, and each knows the others", () => {
  const ports = portsFrom(4222);
  const all = ports.flatMap(({ client, monitor, route }) => [client, monitor, route]);
  assert.equal(new Set(all).size, 9);
  assert.deepEqual(ports[1], { client: 4223, monitor: 8223, route: 6223 });
  const text = configuration(1, ports, "/data");
  assert.match(text, /dir: "\/data\/b\/store"/);
  assert.match(text, /listen: 127\.0\.0\.1:4223/);
  assert.match(text, /routes: \["nats:\/\/127\.0\.0\.1:6222", "nats:\/\/127\.0\.0\.1:6224"\]/);
  assert.match(text, /node_id: "b"\n {4}peers: \["a", "c"\]/);
});
