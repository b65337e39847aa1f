/** NATS for a process that talks to nobody. */
import type { MessageBus } from "../ports/message_bus.ts";
import type { BusPlugin, Nats } from "../registry.ts";

const silentBus: MessageBus = {
  connected: false,
  maxPayload: 1024 * 1024,
  url: "",
  subscribe: () => ({ unsubscribe() {} }),
  publish: () => false,
  publishRequest: () => false,
  request: () => Promise.resolve({ kind: "disconnected" }),
  flush: () => Promise.resolve(),
  onBatchEnd() {},
  onConnection() {},
  close: () => Promise.resolve(),
};

const nobody: Nats = {
  url: "",
  connect: () => silentBus,
  page: () => undefined,
  reload() {},
  close: () => Promise.resolve(),
};

export const noNats: BusPlugin = { start: () => Promise.resolve(nobody) };
