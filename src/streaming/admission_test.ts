import assert from "node:assert/strict";
import { StartPosition, type SubscriptionRequest } from "../protocol/client_messages.ts";
import { isRefusal } from "../protocol/outcomes.ts";
import { MachineDriver } from "../../tests/support/machine_driver.ts";
import {
  admitClose,
  admitConnect,
  admitPing,
  admitPublish,
  admitSubscribe,
  admitUnsubscribe,
  publisherOf,
  type SubscribeContext,
} from "./admission.ts";
import { DEFAULT_LIMITS } from "../protocol/limits.ts";

const CONTEXT: SubscribeContext = {
  first: 0,
  sequenceAtTime: 0,
  ackInbox: "ack",
  replaceDurable: false,
  allowShortAckWait: false,
};

const REQUEST: SubscriptionRequest = {
  clientId: "me",
  subject: "foo",
  queueGroup: "",
  inbox: "in",
  maxInFlight: 1,
  ackWaitInSecs: 1,
  durableName: "",
  startPosition: StartPosition.newOnly,
  startSequence: 0,
  startTimeDelta: 0n,
};

function connectRequest(clientId: string, heartbeatInbox = "hb") {
  return { clientId, heartbeatInbox, connId: new Uint8Array(0), protocol: 1, pingInterval: 0, pingMaxOut: 0 };
}

function textOf(admitted: { kind: string } | undefined): string {
  assert.ok(admitted !== undefined && isRefusal(admitted), "a refusal was expected");
  return admitted.text;
}

function connected(): MachineDriver {
  const driver = new MachineDriver();
  driver.connect();
  return driver;
}

Deno.test("scenario 4: client IDs with other characters are refused", () => {
  const { state } = connected().machine;
  for (const id of ["", "my id", "a:b", "a,b", "a.b", "!@#", "é", "a\n"]) {
    assert.equal(
      textOf(admitConnect(state, connectRequest(id))),
      "stan: invalid clientID: only alphanumeric and `-` or `_` characters allowed",
      JSON.stringify(id),
    );
  }
});

Deno.test("scenario 5: letters, digits, _ and - are accepted in a client ID", () => {
  const { state } = connected().machine;
  for (const id of ["id", "id_x", "id-x", "0", "a".repeat(1000)]) {
    assert.equal(admitConnect(state, connectRequest(id)).kind, "connect", id);
  }
});

Deno.test("scenario 6: a missing heartbeat inbox is noticed before a bad ID", () => {
  const { state } = connected().machine;
  assert.equal(textOf(admitConnect(state, connectRequest("a b", ""))), "stan: invalid connection request");
});

Deno.test("scenario 12: what cannot be decoded gets the text of its kind", () => {
  const { state } = connected().machine;
  assert.equal(textOf(admitConnect(state, undefined)), "stan: invalid connection request");
  assert.equal(textOf(admitSubscribe(state, undefined, CONTEXT)), "stan: invalid subscription request");
  assert.equal(textOf(admitUnsubscribe(state, undefined, true)), "stan: invalid unsubscribe request");
  assert.equal(textOf(admitUnsubscribe(state, undefined, false)), "stan: invalid unsubscribe request");
  assert.equal(textOf(admitClose(state, undefined)), "stan: invalid close request");
});

Deno.test("scenario 13: a connection id alone identifies the publisher; without one the client ID does", () => {
  const driver = connected();
  const { state } = driver.machine;
  const bytes = (text: string) => new TextEncoder().encode(text);
  assert.equal(publisherOf(state, bytes("conn-me"), "somebody")?.id, "me");
  assert.equal(publisherOf(state, bytes("other"), "me"), undefined);
  assert.equal(publisherOf(state, bytes(""), "me")?.id, "me");
  assert.equal(publisherOf(state, bytes(""), "you"), undefined);
});

Deno.test("scenario 11: after a replacement the old connection id is unknown", () => {
  const driver = connected();
  driver.connect("me", { replace: true, connId: "newer" });
  const { state } = driver.machine;
  const ping = (text: string) => admitPing(state, { connId: new TextEncoder().encode(text) });
  assert.equal(textOf(ping("conn-me")), "client has been replaced or is no longer registered");
  assert.equal(ping("newer").kind, "known");
  assert.equal(publisherOf(state, new TextEncoder().encode("conn-me"), "me"), undefined);
});

Deno.test("scenario 24: channel names that cannot be published to", () => {
  const { state } = connected().machine;
  for (const name of ["", "foo.*", "foo*", ".foo", "foo.", "a..b", "a/b", ">", "foo.>"]) {
    assert.equal(textOf(admitPublish(state, name)), "stan: invalid publish request", name);
    const refused = admitSubscribe(state, { ...REQUEST, subject: name }, CONTEXT);
    assert.equal(textOf(refused), "stan: invalid subject", name);
  }
  for (const name of ["foo bar", "a\tb", "a\0b", "a\\b", "é.ü", "_STAN.x", "-"]) {
    assert.equal(admitPublish(state, name).kind, "create channel", name);
  }
});

Deno.test("scenario 25: names must differ in more than case, for publishers and subscribers, after a restart too", () => {
  const driver = connected();
  driver.publish(1, "Foo");
  for (const restarted of [false, true]) {
    if (restarted) driver.restart();
    for (const name of ["foo", "FoO"]) {
      const text = `rejecting channel "${name}" because channel "Foo" alreay exists (different cases not allowed)`;
      assert.equal(textOf(admitPublish(driver.machine.state, name)), text);
      assert.equal(driver.subscribe({ channel: name }), text);
      const created = driver.create(name);
      assert.ok(isRefusal(created) && created.text === text);
    }
  }
});

Deno.test("scenario 26: max_channels refuses publishers and subscribers, and leaves no channel behind", () => {
  const driver = connected();
  driver.commit({ kind: "set limits", ...DEFAULT_LIMITS, maxChannels: 1 });
  driver.publish();
  assert.equal(textOf(admitPublish(driver.machine.state, "bar")), "too many channels");
  assert.equal(driver.subscribe({ channel: "bar" }), "too many channels");
  assert.deepEqual([...driver.machine.state.channels.keys()], ["foo"]);
  assert.equal(driver.publish().kind, "published");
});

Deno.test("scenario 33: each invalid field of a subscribe request, in the order of section 5.1", () => {
  const driver = connected();
  const { state } = driver.machine;
  const checks: [Partial<SubscriptionRequest>, string][] = [
    [{ clientId: "" }, "stan: clientID missing"],
    [{ ackWaitInSecs: 0 }, "stan: invalid ack wait time, should be >= 1s"],
    [{ maxInFlight: 0 }, "stan: invalid MaxInflight, should be >= 1"],
    [{ startPosition: 5 }, "stan: invalid start position"],
    [{ subject: "foo.*" }, "stan: invalid subject"],
  ];
  // Every request breaks its own rule and all later ones: the first broken rule is the one reported.
  for (let i = 0; i < checks.length; i++) {
    const broken = Object.assign({ ...REQUEST }, ...checks.slice(i).map(([fields]) => fields));
    assert.equal(textOf(admitSubscribe(state, broken, CONTEXT)), checks[i]![1]);
  }
  const admit = (fields: Partial<SubscriptionRequest>) => admitSubscribe(state, { ...REQUEST, ...fields }, CONTEXT);
  assert.equal(textOf(admit({ ackWaitInSecs: -5 })), "stan: invalid ack wait time, should be >= 1s");
  assert.equal(textOf(admit({ maxInFlight: -1 })), "stan: invalid MaxInflight, should be >= 1");
  assert.equal(textOf(admit({ startPosition: -1 })), "stan: invalid start position");
  assert.equal(textOf(admit({ clientId: "nobody" })), "stan: unknown clientID");
  assert.equal(admit({ inbox: "" }).kind, "subscribe", "the inbox is not validated");
});

Deno.test("the hidden switch lets negative ack waits mean milliseconds, and still refuses zero", () => {
  const { state } = connected().machine;
  const context = { ...CONTEXT, allowShortAckWait: true };
  assert.equal(admitSubscribe(state, { ...REQUEST, ackWaitInSecs: -15 }, context).kind, "subscribe");
  assert.equal(admitSubscribe(state, { ...REQUEST, ackWaitInSecs: 0 }, context).kind, "refused");
});

Deno.test("scenario 47: a durable group's durable name has no colon; a plain durable's may", () => {
  const driver = connected();
  assert.equal(
    driver.subscribe({ group: "g", durable: "a:b" }),
    "stan: durable name of a durable queue subscriber can't contain the character ':'",
  );
  assert.equal(typeof driver.subscribe({ durable: "a:b" }), "object");
  assert.equal(typeof driver.subscribe({ group: "a:b" }), "object");
});

Deno.test("scenario 51: unsubscribing needs the channel, the subscription and its client", () => {
  const driver = connected();
  driver.connect("other");
  const subscription = driver.sub();
  driver.create("bar");
  const { state } = driver.machine;
  const ask = (fields: { clientId?: string; subject?: string; inbox?: string }) =>
    admitUnsubscribe(
      state,
      { clientId: "me", subject: "foo", inbox: subscription.ackInbox, durableName: "", ...fields },
      true,
    );
  assert.equal(textOf(ask({ clientId: "", subject: "", inbox: "" })), "stan: unknown channel");
  assert.equal(textOf(ask({ subject: "baz" })), "stan: unknown channel");
  assert.equal(textOf(ask({ subject: "bar" })), "stan: invalid subscription");
  assert.equal(textOf(ask({ inbox: "nowhere" })), "stan: invalid subscription");
  assert.equal(textOf(ask({ clientId: "other" })), "stan: unknown clientID");
  assert.equal(textOf(ask({ clientId: "nobody" })), "stan: unknown clientID");
  const good = ask({});
  assert.equal(good.kind, "unsubscribe");
  if (good.kind === "unsubscribe") assert.equal(driver.commit(good).kind, "done");
  assert.equal(textOf(ask({})), "stan: invalid subscription", "repeated");
});

Deno.test("a client that is unknown cannot close", () => {
  const { state } = connected().machine;
  assert.equal(textOf(admitClose(state, { clientId: "you" })), "stan: unknown clientID");
  assert.equal(textOf(admitClose(state, { clientId: "" })), "stan: unknown clientID");
  assert.deepEqual(admitClose(state, { clientId: "me" }), { kind: "disconnect", clientId: "me" });
});

Deno.test("scenario 98: while a channel is being deleted publishes to it are refused", () => {
  const driver = connected();
  driver.publish();
  driver.channel().deleting = true;
  assert.equal(textOf(admitPublish(driver.machine.state, "foo")), "stan: channel is being deleted");
});
