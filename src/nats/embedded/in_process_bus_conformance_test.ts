import { messageBusConformance } from "../../../tests/conformance/message_bus.ts";
import { startEmbedded } from "../../../tests/support/embedded_nats.ts";

messageBusConformance("in-process", async () => {
  const server = await startEmbedded();
  let opened = 0;
  return {
    open: () => Promise.resolve(server.openBus(`bus-${++opened}`)),
    close: () => server.close(),
  };
});
