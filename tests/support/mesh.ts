/** Embedded NATS servers that form a mesh on this machine, and clients that tell whether it works. */
import assert from "node:assert/strict";
import type { ClusterOptions, EmbeddedNatsOptions, NatsServer } from "../../src/nats/embedded/mod.ts";
import { type Log, silentLog } from "../../src/ports/log.ts";
import type { MessageBus } from "../../src/ports/message_bus.ts";
import { eventually } from "./deadline.ts";
import { startEmbedded } from "./embedded_nats.ts";

/** A port that was free a moment ago. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

/** Starts a server of the cluster `c1` with routes to these ports. */
export function startMember(
  serverName: string,
  routes: readonly number[],
  cluster: Partial<ClusterOptions> = {},
  options: Partial<EmbeddedNatsOptions> = {},
  log: Log = silentLog,
): Promise<NatsServer> {
  const urls = routes.map((port) => `nats-route://127.0.0.1:${port}`);
  return startEmbedded({
    serverName,
    ...options,
    cluster: { name: "c1", host: "127.0.0.1", port: 0, routes: urls, ...cluster },
  }, { log });
}

export function routePort(server: NatsServer): number {
  return server.routes.address!.port;
}

/** Waits until each server has exactly one route to each other one. */
export async function meshed(...servers: NatsServer[]): Promise<void> {
  const ids = servers.map((server) => server.serverId);
  const whole = () =>
    servers.every((server) => {
      const peers = server.routes.list().map((route) => route.remoteId).sort();
      return peers.join() === ids.filter((id) => id !== server.serverId).sort().join();
    });
  await eventually(() => whole() || undefined, "the mesh");
}

export async function closeAll(...servers: NatsServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server.close()));
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function bytes(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Subscribes and keeps the payloads. */
export function gather(bus: MessageBus, subject: string): string[] {
  const seen: string[] = [];
  bus.subscribe(subject, (message) => {
    seen.push(decoder.decode(message.buffer.slice(message.payloadStart, message.payloadEnd)));
  });
  return seen;
}

/** Waits until `ask` finds a responder: interest has crossed the route. */
export async function responds(bus: MessageBus, subject: string): Promise<void> {
  await eventually(async () => {
    const answer = await bus.request(subject, bytes("?"), 2_000);
    return answer.kind === "reply" || undefined;
  }, `an answer on ${subject}`);
}

/** Makes a bus answer requests on `subject` with its name. */
export function serve(bus: MessageBus, subject: string, answer: string): { unsubscribe(): void } {
  return bus.subscribe(subject, (message) => {
    bus.publish(message.buffer.slice(message.replyStart, message.replyEnd), bytes(answer));
  });
}

/** Proves that every server reaches every other, once, both ways. */
export async function everybodyHearsEverybody(...servers: NatsServer[]): Promise<void> {
  const buses = servers.map((server) => server.openBus("probe"));
  const heard = buses.map((bus) => gather(bus, "to.all"));
  buses.forEach((bus, i) => serve(bus, `at.${i}`, "here"));
  for (const bus of buses) for (let i = 0; i < buses.length; i++) await responds(bus, `at.${i}`);
  buses.forEach((bus, i) => bus.publish(bytes("to.all"), bytes(String(i))));
  const wanted = buses.map((_, i) => String(i)).join();
  await eventually(() => heard.every((list) => list.length >= buses.length) || undefined, "messages to all");
  for (const bus of buses) for (let i = 0; i < buses.length; i++) await responds(bus, `at.${i}`);
  for (const list of heard) assert.equal([...list].sort().join(), wanted);
  for (const bus of buses) await bus.close();
}
