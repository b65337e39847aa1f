/** Clients: registration and replacement, heartbeats and what missing them means (spec streaming, sections 2 and 3). */
import { latin1 } from "../protocol/latin1.ts";
import { Text } from "../protocol/errors.ts";
import type { Connect, Disconnect } from "../protocol/operations.ts";
import { type Outcome, refused } from "../protocol/outcomes.ts";
import type { ClientInfo } from "../protocol/stored_records.ts";
import type { Millis } from "../protocol/units.ts";
import { startIdling } from "./channel.ts";
import type { Context } from "./context.ts";
import type { Channel, Client, State } from "./state.ts";
import { end } from "./subscribing.ts";

const DONE: Outcome = { kind: "done" };
/** How soon a client that pings although it missed heartbeats is asked again. Milliseconds. */
const ASK_AGAIN = 1;

/** What `clientsByConnId` is keyed by. */
export function connIdKey(connId: Uint8Array): string {
  return latin1(connId);
}

export function newClient(info: ClientInfo): Client {
  return {
    id: info.id,
    heartbeatInbox: info.heartbeatInbox,
    connId: info.connId,
    protocol: info.protocol,
    pingInterval: info.pingInterval,
    pingMaxOut: info.pingMaxOut,
    subscriptions: new Set(),
    missedHeartbeats: 0,
    awaitingHeartbeat: false,
    pinged: false,
  };
}

export function addClient(state: State, client: Client): void {
  state.clients.set(client.id, client);
  if (client.connId.length > 0) state.clientsByConnId.set(connIdKey(client.connId), client);
}

export function connect(context: Context, operation: Connect, now: Millis): Outcome {
  const { state } = context;
  const old = state.clients.get(operation.clientId);
  if (old !== undefined && !operation.replace) return refused(Text.clientIdRegistered);
  if (old !== undefined) removeClient(context, old, now);
  const client = newClient({ ...operation, id: operation.clientId });
  addClient(state, client);
  context.emit({ kind: "store client", client });
  armHeartbeat(context, client, now + context.settings.heartbeatInterval);
  return DONE;
}

export function disconnect(context: Context, operation: Disconnect, now: Millis): Outcome {
  const client = context.state.clients.get(operation.clientId);
  if (client === undefined) return refused(Text.unknownClientId);
  const { heartbeatInbox = "" } = operation;
  if (heartbeatInbox !== "" && heartbeatInbox !== client.heartbeatInbox) return refused(Text.unknownClientId);
  removeClient(context, client, now);
  return DONE;
}

/** Unregisters it and closes what it has. Its record goes last, so that a crash in between leaves nobody without a client. */
function removeClient(context: Context, client: Client, now: Millis): void {
  const { state } = context;
  const channels = new Set<Channel>();
  for (const subscription of [...client.subscriptions]) {
    channels.add(subscription.channel);
    end(context, subscription, false, now);
  }
  state.clients.delete(client.id);
  const key = connIdKey(client.connId);
  if (state.clientsByConnId.get(key) === client) state.clientsByConnId.delete(key);
  for (const channel of channels) startIdling(context, channel, now);
  context.emit({ kind: "forget client", clientId: client.id });
  armHeartbeat(context, client, Infinity);
}

/** Its time has come: asks for a heartbeat. */
export function heartbeatDue(context: Context, client: Client): void {
  if (!context.leading || client.awaitingHeartbeat) return;
  client.awaitingHeartbeat = true;
  client.pinged = false;
  context.emit({ kind: "heartbeat", clientId: client.id });
}

/** What came of a heartbeat. */
export function heartbeat(context: Context, client: Client, answered: boolean, now: Millis): void {
  if (!context.leading || !client.awaitingHeartbeat) return;
  client.awaitingHeartbeat = false;
  const wasSuspect = client.missedHeartbeats > 0;
  client.missedHeartbeats = answered ? 0 : client.missedHeartbeats + 1;
  if (wasSuspect === answered) {
    for (const subscription of client.subscriptions) subscription.suspect = !answered;
  }
  const { heartbeatInterval, heartbeatFailCount } = context.settings;
  armHeartbeat(context, client, now + (client.pinged && !answered ? ASK_AGAIN : heartbeatInterval));
  if (client.missedHeartbeats <= heartbeatFailCount) return;
  context.log("error", `[Client:${client.id}] Timed out on heartbeats`);
  context.emit({ kind: "evict client", clientId: client.id });
}

/** It pinged: a client that missed heartbeats is asked again at once. */
export function pinged(context: Context, client: Client, now: Millis): void {
  if (!context.leading || client.missedHeartbeats === 0) return;
  if (client.awaitingHeartbeat) client.pinged = true;
  else armHeartbeat(context, client, now + ASK_AGAIN);
}

export function armHeartbeat(context: Context, client: Client, at: Millis): void {
  if (context.leading) context.emit({ kind: "wake", key: `heartbeat/${client.id}`, at });
}
