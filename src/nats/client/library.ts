/**
 * `@nats-io/nats-core` as the keeper of one connection's life: server list, authentication, pings, reconnecting.
 *
 * The library takes the maker of its transports from a variable of its module, one for the whole process. Here each
 * connection gets its own instead, so that connections with different ports, or somebody else's in the same process, do
 * not disturb each other: the step that would ask the variable, `prepare`, is replaced on the instance.
 */
import {
  ConnectionError,
  type ConnectionOptions,
  type Deferred,
  deferred,
  parseOptions,
  ProtocolHandler,
} from "@nats-io/nats-core/internal";
import type { NatsTransport } from "./transport.ts";

/** A connection not yet dialed (`dialLoop()` does); every dial uses a transport from `newTransport`. */
export function libraryConnection(options: ConnectionOptions, newTransport: () => NatsTransport): ProtocolHandler {
  const handler = new ProtocolHandler(parseOptions(options), { publish() {} });
  const steps = handler as unknown as { prepare: () => Deferred<void> };
  if (typeof steps.prepare !== "function") {
    throw new Error("@nats-io/nats-core has changed: ProtocolHandler.prepare is gone; use the version in deno.json");
  }
  steps.prepare = () => prepare(handler, newTransport());
  return handler;
}

/** What the library does before each dial; the outcome settles with its first PONG, or with the end of the transport. */
function prepare(handler: ProtocolHandler, transport: NatsTransport): Deferred<void> {
  const former = handler.transport as NatsTransport | undefined;
  former?.discard();
  delete handler.info;
  handler.resetOutbound();
  const pong = deferred<void>();
  pong.catch(() => {
    // May be rejected before anybody waits for it.
  });
  handler.pongs.unshift(pong);
  handler.connectError = (error) => pong.reject(error);
  handler.transport = transport;
  transport.closed().then((error) => {
    handler.connected = false;
    const reason = error ?? handler.lastError;
    pong.reject(reason ?? new ConnectionError("EOF"));
    if (!handler.isClosed()) return handler.disconnected(reason);
  });
  return pong;
}
