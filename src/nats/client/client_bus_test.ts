import { messageBusConformance } from "../../../tests/conformance/message_bus.ts";
import { natsServerPath, startNatsServer } from "../../../tests/support/nats_server.ts";
import { silentLog } from "../../ports/log.ts";
import type { MessageBus } from "../../ports/message_bus.ts";
import { systemClock, systemNetwork, systemRandom } from "../../system/mod.ts";
import { connectBus } from "./client_bus.ts";

const ports = { network: systemNetwork(), clock: systemClock(), random: systemRandom(), log: silentLog };

messageBusConformance("client", async () => {
  const server = await startNatsServer();
  const buses: MessageBus[] = [];
  return {
    async open() {
      const bus = await connectBus({ servers: [`nats://127.0.0.1:${server.port}`], name: "test" }, ports);
      buses.push(bus);
      return bus;
    },
    async close() {
      await Promise.all(buses.map((bus) => bus.close()));
      await server.stop();
    },
  };
}, { ignore: natsServerPath === undefined });
