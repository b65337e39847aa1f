import { systemClock } from "../../src/system/mod.ts";
import { messageBusConformance } from "../conformance/message_bus.ts";
import { type MemoryBus, MemoryNet } from "./memory_bus.ts";

messageBusConformance("memory", () => {
  const net = new MemoryNet(systemClock());
  const buses: MemoryBus[] = [];
  return Promise.resolve({
    open() {
      const bus = net.connect(`bus-${buses.length}`);
      buses.push(bus);
      return Promise.resolve(bus);
    },
    async close() {
      for (const bus of buses) await bus.close();
    },
  });
});
