/** Requests that are held back until somebody leads, in virtual time. */
import assert from "node:assert/strict";
import { MemoryNet } from "../../tests/support/memory_bus.ts";
import { VirtualClock } from "../../tests/support/virtual_clock.ts";
import type { Inbound } from "../ports/message_bus.ts";
import { CloseRequest, ConnectRequest } from "../protocol/client_messages.ts";
import { serverInfo } from "../protocol/subjects.ts";
import { RecentRequests } from "./recent_requests.ts";
import { RequestHolding } from "./request_holding.ts";

const encoder = new TextEncoder();

class World {
  readonly clock = new VirtualClock();
  readonly client = new MemoryNet(this.clock);
  readonly bus = this.client.connect("client");
  readonly recent = new RecentRequests();
  readonly told: string[] = [];
  readonly connections = new Map<string, object>();
  readonly holding: RequestHolding;

  constructor() {
    const note = (what: string) => ({ buffer, payloadStart, payloadEnd }: Inbound) => {
      const { clientId } = CloseRequest.decode(buffer, payloadStart, payloadEnd);
      this.told.push(`${what} ${clientId}`);
    };
    const sessions = {
      connect: note("connect"),
      connectedBefore: note("connected before"),
      close: note("close"),
      closedBefore: note("closed before"),
    };
    const subscribing = {
      subscribe: note("subscribe"),
      unsubscribe: note("unsubscribe"),
      endedBefore: note("ended before"),
    };
    const handlers = { sessions, subscribing } as never;
    const bus = this.client.connect("node");
    const connectionOf = (clientId: string) => this.connections.get(clientId);
    this.holding = new RequestHolding({ bus, clock: this.clock, handlers, recent: this.recent, connectionOf });
    this.holding.listen(serverInfo("cid", "_STAN.discover", ""));
  }

  async ask(subject: string, clientId: string, reply = "r", more = 0): Promise<void> {
    const payload = ConnectRequest.encode({ clientId, heartbeatInbox: "h".repeat(more) });
    const to = encoder.encode(`_STAN.${subject}.cid`);
    if (reply === "") this.bus.publish(to, payload);
    else this.bus.publishRequest(to, encoder.encode(reply), payload);
    await this.clock.settle();
  }

  lead(): string[] {
    this.told.length = 0;
    this.holding.lead();
    return this.told;
  }
}

Deno.test("who leads carries requests out at once; who does not keeps them for when it does, in order", async () => {
  const world = new World();
  await world.ask("discover", "a");
  await world.ask("close", "b");
  assert.deepEqual(world.told, []);
  assert.deepEqual(world.lead(), ["connect a", "close b"]);
  await world.ask("sub", "c");
  assert.equal(world.told.at(-1), "subscribe c");
  world.holding.follow();
  assert.deepEqual(world.lead(), []);
});

Deno.test("requests that nobody waits for any more, or that have no reply, are not carried out", async () => {
  const world = new World();
  await world.ask("discover", "old");
  await world.ask("discover", "silent", "");
  await world.clock.advance(1_501);
  await world.ask("discover", "young");
  assert.deepEqual(world.lead(), ["connect young"]);
});

Deno.test("what was carried out already is only answered; of two alike the second one is carried out", async () => {
  const world = new World();
  await world.ask("close", "a");
  await world.ask("close", "a");
  world.recent.note({ kind: "disconnect", clientId: "a" }, world.clock.now());
  assert.deepEqual(world.lead(), ["closed before a", "close a"]);
});

Deno.test("what a client asked before it connected anew, heard by another leader, is not carried out", async () => {
  const world = new World();
  const connId = new Uint8Array(0);
  await world.ask("close", "a");
  await world.ask("close", "b");
  await world.ask("discover", "a");
  await world.ask("sub", "a");
  await world.ask("close", "b");
  world.recent.note({
    ...{ kind: "connect", clientId: "a", heartbeatInbox: "", connId, protocol: 1 },
    ...{ pingInterval: 5, pingMaxOut: 3, replace: true },
  }, world.clock.now());
  assert.deepEqual(world.lead(), ["close b", "connected before a", "subscribe a", "close b"]);
});

Deno.test("a close that was carried out without an answer is answered", async () => {
  const world = new World();
  world.connections.set("a", {});
  await world.ask("close", "a");
  world.recent.note({ kind: "disconnect", clientId: "a" }, world.clock.now());
  world.connections.delete("a");
  assert.deepEqual(world.lead(), ["closed before a"]);
});

Deno.test("what a client asked on a connection that was replaced since is not carried out, also where the new one was not heard of", async () => {
  const world = new World();
  for (const client of ["a", "b"]) world.connections.set(client, {});
  for (const client of ["a", "b", "c"]) await world.ask("close", client);
  world.connections.set("a", {});
  // Connected before, but not here yet.
  world.connections.set("c", {});
  assert.deepEqual(world.lead(), ["close b", "close c"]);
});

Deno.test("what was refused before another request of the same client was carried out stays refused", async () => {
  const world = new World();
  await world.ask("sub", "a");
  await world.ask("sub", "b");
  await world.ask("unsub", "a");
  await world.ask("close", "a");
  world.recent.note(
    { kind: "unsubscribe", clientId: "a", channel: "", inbox: "", remove: false },
    world.clock.now(),
  );
  assert.deepEqual(world.lead(), ["subscribe b", "ended before a", "close a"]);
});

Deno.test("a connection that was asked for several times is made once", async () => {
  const world = new World();
  const connId = new Uint8Array(0);
  for (let i = 0; i < 3; i++) await world.ask("discover", "a");
  for (let i = 0; i < 2; i++) await world.ask("discover", "b");
  world.recent.note({
    ...{ kind: "connect", clientId: "b", heartbeatInbox: "", connId, protocol: 1 },
    ...{ pingInterval: 5, pingMaxOut: 3, replace: false },
  }, world.clock.now());
  assert.deepEqual(world.lead(), ["connect a", "connected before b", "connected before b"]);
});

Deno.test("after the state was replaced, what may be in it is not carried out", async () => {
  const world = new World();
  await world.ask("close", "before");
  world.holding.replaced();
  await world.clock.advance(500);
  await world.ask("close", "perhaps");
  await world.clock.advance(600);
  await world.ask("close", "after");
  assert.deepEqual(world.lead(), ["close after"]);
});

Deno.test("only so much is held: the oldest goes first", async () => {
  const world = new World();
  for (let i = 0; i < 20; i++) await world.ask("close", `c${i}`, "r", 500_000);
  const taken = world.lead();
  assert.ok(taken.length >= 15 && taken.length <= 17, `${taken.length} of half a megabyte in 8`);
  assert.equal(taken.at(-1), "close c19");
});

Deno.test("stopped, it hears nothing", async () => {
  const world = new World();
  await world.ask("close", "a");
  world.holding.stop();
  await world.ask("close", "b");
  assert.deepEqual(world.lead(), []);
});
