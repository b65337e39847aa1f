/** The client port of the embedded NATS server: the scenarios of spec nats-server, section 7, by their numbers. */
import { probes } from "./nats_probes.ts";
import { runProbe } from "../support/probing.ts";
import { withEmbedded } from "../support/embedded_nats.ts";

for (const probe of probes) {
  Deno.test(`client port ${probe.name}`, async () => {
    await withEmbedded({}, (server) => runProbe(server.address.port, probe));
  });
}

Deno.test("client port 17: a probe has the same outcome with one byte in each packet", async () => {
  await withEmbedded({}, async (server) => {
    for (const probe of probes) {
      if (probe.send.length < 200) await runProbe(server.address.port, probe, true);
    }
  });
});
