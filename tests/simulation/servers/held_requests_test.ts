/** Requests other than publishes that fall into a change of leader: carried out once, and answered in time (spec clustering, 5.3). */
import assert from "node:assert/strict";
import {
  CloseRequest,
  ConnectRequest,
  ConnectResponse,
  SubscriptionRequest,
  SubscriptionResponse,
  UnsubscribeRequest,
} from "../../../src/protocol/client_messages.ts";
import type { Inbound } from "../../../src/ports/message_bus.ts";
import { CLUSTER, type SimulatedNode } from "./simulated_node.ts";
import { connectedTest as test, type Harness } from "./harness.ts";

const text = new TextEncoder();

interface Asked {
  readonly answers: Uint8Array[];
  readonly at: number[];
}

/** Sends a request, and gathers every answer to it with the time it took. */
function ask(world: Harness, subject: string, payload: Uint8Array): Asked {
  const asked: Asked = { answers: [], at: [] };
  const reply = `_INBOX.asked.${asking++}`;
  const begun = world.clock.now();
  world.client.subscribe(reply, ({ buffer, payloadStart, payloadEnd }: Inbound) => {
    asked.answers.push(buffer.slice(payloadStart, payloadEnd));
    asked.at.push(world.clock.now() - begun);
  });
  world.client.publishRequest(text.encode(`_STAN.${subject}.${CLUSTER}`), text.encode(reply), payload);
  return asked;
}
let asking = 0;

function connecting(clientId: string, heartbeatInbox = `_INBOX.hb.${clientId}`): Uint8Array {
  return ConnectRequest.encode({ clientId, heartbeatInbox, protocol: 1, connId: text.encode(clientId) });
}

function subscribing(inbox: string, more: Partial<SubscriptionRequest> = {}): Uint8Array {
  return SubscriptionRequest.encode({
    ...{ clientId: "me", subject: "foo", inbox, maxInFlight: 10, ackWaitInSecs: 30 },
    ...more,
  });
}

/** One answer, in time, and it says that it went well. */
function inTime(
  { answers, at }: Asked,
  decode: (bytes: Uint8Array) => { error: string } = ConnectResponse.decode,
): void {
  assert.equal(answers.length, 1, `${answers.length} answers`);
  assert.equal(decode(answers[0]!).error, "");
  assert.ok(at[0]! < 1_500, `after ${at[0]} ms`);
}

function subscriptionsOf(node: SimulatedNode): string[] {
  return [...node.server!.machine.state.channels.get("foo")?.subscriptions.values() ?? []].map(({ inbox }) => inbox);
}

test("every kind of request that is sent while nobody leads is answered by the next leader, once", async (world) => {
  const held = await world.subscribe("me", "foo");
  const durable = await world.subscribe("me", "foo", { durableName: "d" });
  await world.connect("leaver");
  (await world.leader()).kill();
  const connected = ask(world, "discover", connecting("new"));
  await world.pass(50);
  const subscribed = ask(world, "sub", subscribing("_INBOX.one"));
  const closed = ask(world, "close", CloseRequest.encode({ clientId: "leaver" }));
  const ending = (inbox: string) => UnsubscribeRequest.encode({ clientId: "me", subject: "foo", inbox });
  const unsubscribed = ask(world, "unsub", ending(held.ackInbox));
  const ended = ask(
    world,
    "subclose",
    UnsubscribeRequest.encode({ ...UnsubscribeRequest.decode(ending(durable.ackInbox)), durableName: "d" }),
  );
  await world.pass(5_000);
  for (const asked of [connected, subscribed, closed, unsubscribed, ended]) inTime(asked);
  const { clients } = (await world.leader()).server!.machine.state;
  assert.deepEqual([...clients.keys()].sort(), ["me", "new"]);
  assert.deepEqual((await world.agreed(subscriptionsOf)).sort(), [durable.inbox, "_INBOX.one"].sort());
});

test("what the old leader carried out without an answer is answered by the next one, and not done again", async (world) => {
  const old = await world.leader();
  const own = new Set(old.buses.map(({ name }) => name));
  // Nothing that it says reaches the client any more.
  world.net.loses = (from, to) => own.has(from) && to === "client";
  const connected = ask(world, "discover", connecting("new"));
  const subscribed = ask(world, "sub", subscribing("_INBOX.one", { queueGroup: "g" }));
  await world.pass(100);
  assert.equal(old.server!.machine.state.clients.size, 2);
  assert.deepEqual([connected.answers.length, subscribed.answers.length], [0, 0]);
  old.kill();
  world.net.loses = () => false;
  await world.pass(5_000);
  inTime(connected);
  inTime(subscribed, SubscriptionResponse.decode);
  assert.deepEqual(await world.agreed(subscriptionsOf), ["_INBOX.one"]);
  const { ackInbox } = SubscriptionResponse.decode(subscribed.answers[0]!);
  assert.ok((await world.leader()).server!.machine.state.channels.get("foo")!.byAckInbox.has(ackInbox));
});

test("what was carried out and ended again before the leader died does not come back", async (world) => {
  const held = await world.subscribe("me", "foo");
  assert.equal(await world.end("unsub", "me", held), "");
  assert.equal(await world.connect("short"), "");
  assert.equal(await world.close("short"), "");
  // Closed and connected again: the close must not hit the second one.
  assert.equal(await world.connect("twice", "first"), "");
  assert.equal(await world.close("twice"), "");
  assert.equal(await world.connect("twice", "second"), "");
  await world.failOver();
  await world.pass(3_000);
  const clients = await world.agreed((node) => [...node.server!.machine.state.clients.keys()]);
  assert.deepEqual(clients.sort(), ["me", "twice"]);
  assert.deepEqual(await world.agreed(subscriptionsOf), []);
});

test("a second client under an id whose holder answers is refused by the next leader too, once it may speak", async (world) => {
  (await world.leader()).kill();
  const refused = ask(world, "discover", connecting("me", "_INBOX.hb.other"));
  await world.pass(5_000);
  assert.equal(refused.answers.length, 1);
  assert.equal(ConnectResponse.decode(refused.answers[0]!).error, "stan: clientID already registered");
  assert.ok(refused.at[0]! < 2_000, `after ${refused.at[0]} ms`);
});

test("requests that nobody waits for any more are not carried out", async (world) => {
  const [one, other] = [...world.nodes.values()].filter((node) => node.serving);
  assert.equal(other, undefined);
  const [follower, last] = world.followers;
  one!.kill();
  follower!.kill();
  const stale = ask(world, "discover", connecting("stale"));
  const silent = text.encode(`_STAN.discover.${CLUSTER}`);
  world.client.publish(silent, connecting("silent"));
  await world.pass(4_000);
  assert.ok(last!.alive);
  world.restart(follower!);
  await world.leader();
  await world.pass(3_000);
  assert.deepEqual(stale.answers, []);
  assert.deepEqual([...(await world.leader()).server!.machine.state.clients.keys()], ["me"]);
});

test("clients that come and go while leadership is handed over hear of no error", async (world) => {
  const old = await world.leader();
  const asked: Asked[] = [];
  const subscribed: Asked[] = [];
  const stopped = old.server!.stop();
  let isStopped = false;
  void stopped.then(() => isStopped = true);
  for (let i = 0; i < 40; i++) {
    asked.push(ask(world, "discover", connecting(`c${i}`)));
    subscribed.push(ask(world, "sub", subscribing(`_INBOX.${i}`)));
    await world.pass(i < 30 ? 0.1 : 10);
  }
  await world.clock.until(() => isStopped, 10_000, "the end of the old leader");
  old.kill();
  await world.pass(3_000);
  for (const each of asked) inTime(each);
  for (const each of subscribed) inTime(each, SubscriptionResponse.decode);
  assert.equal((await world.agreed(subscriptionsOf)).length, subscribed.length);
});

test("a connect that waits for a sign of life while another server leads and carries it out is not carried out again", async (world) => {
  const connected = ask(world, "discover", connecting("gone", "_INBOX.hb.first"));
  await world.pass(20);
  inTime(connected);
  // The client is there, and says nothing, as far as the first leader can tell; then nobody is there any more.
  const mute = world.client.subscribe("_INBOX.hb.first", () => {});
  const first = await world.leader();
  const asked = ask(world, "discover", connecting("gone", "_INBOX.hb.again"));
  await world.pass(20);
  mute.unsubscribe();
  void first.journal!.handOver();
  await world.clock.until(() => !first.serving, 2_000, "another leader");
  const second = await world.leader();
  assert.notEqual(second, first);
  await world.clock.until(() => asked.answers.length > 0, 300, "an answer");
  const { clients } = second.server!.machine.state;
  assert.equal(clients.get("gone")!.heartbeatInbox, "_INBOX.hb.again");
  const subscribed = ask(world, "sub", subscribing("_INBOX.kept", { clientId: "gone" }));
  await world.pass(20);
  inTime(subscribed, SubscriptionResponse.decode);
  void second.journal!.handOver(first.name);
  await world.clock.until(() => first.serving, 300, "the first leader again");
  await world.pass(3_000);
  assert.equal(asked.answers.length, 1);
  assert.deepEqual(await world.agreed(subscriptionsOf), ["_INBOX.kept"]);
});
