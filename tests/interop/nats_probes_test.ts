/** The table of probes, held against the real server: what ours is tested with is what users know. */
import { natsServerPath, startNatsServer } from "../support/nats_server.ts";
import { probes } from "../scenarios/nats_probes.ts";
import { runProbe } from "../support/probing.ts";

Deno.test({
  name: "real nats-server answers every probe as the table says",
  ignore: natsServerPath === undefined,
  fn: async () => {
    const server = await startNatsServer();
    try {
      for (const probe of probes) await runProbe(server.port, probe);
    } finally {
      await server.stop();
    }
  },
});
