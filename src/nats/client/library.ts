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

/** What the library does before each dial; the outcome settles with the first PONG, or with the end of the transport. */
function prepare(handler: ProtocolHandler, transport: NatsTransport): Deferred<void> {
  const former = handler.transport as NatsTransport | undefined;
  former?.discard();
  delete handler.info;
  handler.resetOutbound();
  const pong = deferred<void>();
  pong.catch(() => {
    // May be rejected before anybody waits for it.
  });
  let made = false;
  const resolve = pong.resolve;
  pong.resolve = (value) => {
    made = true;
    resolve(value);
  };
  handler.pongs.unshift(pong);
  handler.connectError = (error) => pong.reject(error);
  handler.transport = transport;
  transport.closed().then((error) => {
    handler.connected = false;
    // An attempt that failed is for the loop that made it to go on from.
    if (made) return redial(handler, error ?? handler.lastError);
    pong.reject(error ?? handler.lastError ?? new ConnectionError("EOF"));
  });
  return pong;
}

/** Makes the connection anew, once the loop that made the last one has ended: the library would take that one for the new. */
async function redial(handler: ProtocolHandler, reason: Error | undefined): Promise<void> {
  while (handler.connectPromise !== null) await handler.connectPromise.catch(() => {});
  handler.connected = false;
  if (!handler.isClosed()) await handler.disconnected(reason);
}
