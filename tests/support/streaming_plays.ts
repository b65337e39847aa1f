/**
 * Small plays of raw STAN clients, each on channels and clients of its own, so that all can be staged at once. What they
 * saw of the reference is kept in `tests/golden/streaming_plays.json`; every server must show them the same.
 */
import {
  ConnectResponse,
  PubAck,
  PubMsg,
  StartPosition,
  SubscriptionRequest,
  SubscriptionResponse,
  type UnsubscribeRequest,
} from "../../src/protocol/client_messages.ts";
import { eventually } from "./deadline.ts";
import { bytesOf, RawStan, RawSubscription, settle } from "./raw_stan_client.ts";

/** A play: plays on its own channels and clients, and answers what it saw. */
type Play = (stan: RawStan, name: string) => Promise<unknown[]>;

/** Waits until each subscription has got so many messages, and for what should not come; then takes them. */
async function takeAll(wanted: readonly (readonly [RawSubscription, number])[]): Promise<string[]> {
  for (const [subscription, count] of wanted) await subscription.atLeast(count);
  await settle();
  return wanted.map(([subscription]) => subscription.take());
}

function subscriptionRequest(
  clientId: string,
  subject: string,
  inbox: string,
  fields: Partial<SubscriptionRequest> = {},
): Uint8Array {
  const startPosition = StartPosition.first;
  const request = { clientId, subject, inbox, maxInFlight: 10, ackWaitInSecs: 30, startPosition, ...fields };
  return SubscriptionRequest.encode(request);
}

function pubMsg(clientId: string, subject: string, guid: string): Uint8Array {
  return PubMsg.encode({ clientId, subject, guid, data: bytesOf("x") });
}

/** What the responses say without what is random in them. */
function said(response: ConnectResponse): unknown {
  return { ...response, publicKey: undefined };
}

const garbage = new Uint8Array([0xff, 0xff, 0xff]);

const plays: Readonly<Record<string, Play>> = {
  "scenarios 1 to 7: connecting": async (stan, name) => {
    const ids = ["", "a b", "a:b", "a.b", "a,b", "!", `${name}-1`];
    const answers: unknown[] = [];
    for (const id of ids) answers.push(said(await stan.connect(id)));
    answers.push(said(await stan.connect(`${name}-2`, { protocol: 0, pingInterval: 5, pingMaxOut: 3 })));
    answers.push(said(await stan.connect(`${name}-3`, { pingInterval: 5, pingMaxOut: 3 })));
    answers.push(said(await stan.connect(`${name}-4`, { pingInterval: -1, pingMaxOut: 0 })));
    answers.push(said(await stan.connect(`${name}-3`)));
    const empty = await stan.request("_STAN.discover.test-cluster", new Uint8Array(0));
    answers.push(ConnectResponse.decode(empty!).error);
    return answers;
  },

  "scenario 12: what cannot be decoded": async (stan) => {
    const answers: unknown[] = [];
    for (const subject of ["discover.test-cluster", "pub.test-cluster.x", "sub.test-cluster", "unsub.test-cluster"]) {
      answers.push(await stan.request(`_STAN.${subject}`, garbage));
    }
    for (const subject of ["subclose.test-cluster", "close.test-cluster"]) {
      answers.push(
        await stan.request(`_STAN.${subject}`, garbage),
        await stan.request(`_STAN.${subject}`, new Uint8Array(0)),
      );
    }
    answers.push(await stan.request("_STAN.unsub.test-cluster", new Uint8Array(0)));
    answers.push(await stan.request("_STAN.pub.test-cluster.x", new Uint8Array(0)));
    answers.push(await stan.request("_STAN.discover.test-cluster.pings", new Uint8Array(0), 300));
    answers.push(await stan.request("_STAN.discover.test-cluster.pings", garbage, 300));
    return answers;
  },

  "scenario 11: pings": async (stan, name) => {
    await stan.connect(name, { connId: bytesOf(`id-${name}`) });
    const ping = (text: string) =>
      stan.request("_STAN.discover.test-cluster.pings", new Uint8Array([10, text.length, ...bytesOf(text)]));
    return [await ping(`id-${name}`), await ping("nobody"), await stan.close(name), await ping(`id-${name}`)];
  },

  "scenarios 9 and 11: a client is replaced": async (stan, name) => {
    const heartbeatInbox = stan.inbox();
    await stan.connect(name, { heartbeatInbox, connId: bytesOf(`old-${name}`) });
    const durable = await stan.sub(name, name, { durableName: "d" });
    await stan.publish(name, name, "x", { connId: bytesOf(`old-${name}`) });
    const seen = await takeAll([[durable, 1]]);
    const refused = (await stan.connect(name)).error;
    stan.deaf.add(heartbeatInbox);
    const accepted = (await stan.connect(name, { connId: bytesOf(`new-${name}`) })).error;
    const old = await stan.publish(name, name, "x", { connId: bytesOf(`old-${name}`) });
    const again = await stan.sub(name, name, { durableName: "d" });
    return [...seen, refused, accepted, old, ...await takeAll([[again, 1]])];
  },

  "scenarios 13 and 23 to 25: publish requests": async (stan, name) => {
    await stan.connect(name);
    const answers: unknown[] = [];
    for (const channel of ["", ".a", "a.", "a..b", "a/b", "a*", "*", "a.>", ">"]) {
      answers.push(await stan.publish(name, "x", "x", { subject: channel }));
    }
    answers.push(await stan.publish(name, `${name}.Case`));
    answers.push((await stan.publish(name, `${name}.case`)).replaceAll(name, "NAME"));
    answers.push(await stan.publish("nobody", name));
    answers.push(await stan.publish("nobody", name, "x", { connId: bytesOf(`conn-${name}`) }));
    answers.push(await stan.publish(name, name, "x", { connId: bytesOf("wrong") }));
    answers.push(await stan.publish(name, name, "x", { guid: "" }));
    answers.push(await stan.publish(name, name, "x", { reply: "some reply" }));
    const all = await stan.sub(name, name);
    await all.atLeast(2);
    answers.push(
      all.messages.map(({ subject, reply, data }) => [subject === name, reply, new TextDecoder().decode(data)]),
    );
    return answers;
  },

  "scenarios 33, 45 and 47: subscribe requests": async (stan, name) => {
    await stan.connect(name);
    const answers: unknown[] = [];
    const ask = async (fields: Record<string, unknown>, client = name, channel = name) => {
      const answer = await stan.subscribe(client, channel, fields);
      answers.push(typeof answer === "string" ? answer.replaceAll(name, "NAME") : answer.ackInbox.length);
    };
    await ask({ clientId: "" });
    await ask({ ackWaitInSecs: 0 });
    await ask({ ackWaitInSecs: -1 });
    await ask({ maxInFlight: 0 });
    await ask({ startPosition: 9 });
    await ask({}, name, "a.*");
    await ask({}, "nobody");
    await ask({ queueGroup: "g", durableName: "a:b" });
    await ask({ durableName: "a:b" });
    await ask({ durableName: "a:b" });
    await ask({ queueGroup: "g", durableName: "d" });
    await ask({ queueGroup: "g", durableName: "d" });
    await ask({}, name, name.toUpperCase());
    await ask({ maxInFlight: 0, ackWaitInSecs: 0 });
    return answers;
  },

  "scenarios 35 to 38 and 42: start positions": async (stan, name) => {
    await stan.connect(name);
    const seen: unknown[] = [];
    const ask = async (channel: string, fields: Record<string, unknown>) => {
      const subscription = await stan.sub(name, channel, fields);
      return subscription;
    };
    const all = [
      { startPosition: StartPosition.newOnly },
      { startPosition: StartPosition.lastReceived },
      { startPosition: StartPosition.first },
      { startPosition: StartPosition.sequence, startSequence: 0 },
      { startPosition: StartPosition.sequence, startSequence: 3 },
      { startPosition: StartPosition.sequence, startSequence: 100 },
      { startPosition: StartPosition.timeDelta, startTimeDelta: 3_600_000_000_000n },
      { startPosition: StartPosition.timeDelta, startTimeDelta: 0n },
      { startPosition: StartPosition.timeDelta, startTimeDelta: -5n },
    ];
    await stan.publishMany(name, name, 5);
    for (const channel of [name, `${name}.empty`]) {
      const subscriptions = [];
      for (const fields of all) subscriptions.push(await ask(channel, fields));
      await stan.publishMany(name, channel, 2);
      const counts = channel === name ? [2, 3, 7, 7, 5, 2, 7, 2, 2] : subscriptions.map(() => 2);
      seen.push(await takeAll(subscriptions.map((each, i) => [each, counts[i]!])));
    }
    return seen;
  },

  "scenarios 50 and 51: unsubscribing": async (stan, name) => {
    await stan.connect(name);
    await stan.connect(`${name}-other`);
    const subscription = await stan.sub(name, name);
    const { ackInbox: inbox } = subscription;
    const ask = (request: Partial<UnsubscribeRequest>) =>
      stan.leave("unsub", { clientId: name, subject: name, inbox, ...request });
    return [
      await ask({ subject: "nowhere" }),
      await ask({ inbox: "wrong" }),
      await ask({ clientId: `${name}-other` }),
      await ask({ clientId: "nobody" }),
      await ask({ clientId: "" }),
      await ask({}),
      await ask({}),
      await stan.leave("subclose", { clientId: name, subject: name, inbox: (await stan.sub(name, name)).inbox }),
      await stan.close("nobody"),
    ];
  },

  "scenarios 52, 64 and 67: a durable is closed, resumed and removed": async (stan, name) => {
    await stan.connect(name);
    const seen: string[] = [];
    let durable = await stan.sub(name, name, { durableName: "d", maxInFlight: 3 });
    const see = async (count: number) => seen.push(...await takeAll([[durable, count]]));
    await stan.publishMany(name, name, 5);
    await see(3);
    durable.ack(1);
    await see(1);
    seen.push(await durable.close(), await durable.close());
    const old = durable.ackInbox;
    durable = await stan.sub(name, name, { durableName: "d", maxInFlight: 2 });
    await see(3);
    seen.push(`${old === durable.ackInbox}`);
    durable.ack(2, 3);
    await see(1);
    await durable.close();
    durable = await stan.sub(name, name, { durableName: "d" });
    await see(2);
    seen.push(await durable.unsubscribe());
    durable = await stan.sub(name, name, { durableName: "d" });
    await see(5);
    return seen;
  },

  "scenarios 60, 61 and 67: redelivery keeps its rhythm and counts": async (stan, name) => {
    await stan.connect(name);
    const subscription = await stan.sub(name, name, { ackWaitInSecs: 2, maxInFlight: 1 });
    await stan.publishMany(name, name, 2);
    const seen = [await subscription.takeAtLeast(3)];
    subscription.ack(1, 99);
    seen.push(await subscription.takeAtLeast(1), await subscription.takeAtLeast(1));
    return seen;
  },

  "scenario 74: an ack that names another channel is useless": async (stan, name) => {
    await stan.connect(name);
    const subscription = await stan.sub(name, name, { maxInFlight: 1 });
    await stan.publishMany(name, name, 2);
    await stan.publish(name, `${name}.other`);
    const other = new RawSubscription(stan, name, `${name}.other`, "");
    other.ackInbox = subscription.ackInbox;
    other.ack(1);
    await settle();
    return [subscription.take()];
  },

  "scenario 8: clients whose connections died come back at once": async (stan, name) => {
    const ids = Array.from({ length: 10 }, (_, i) => `${name}-${i}`);
    for (const id of ids) await stan.connect(id, {}, { isThere: false });
    const answers = await Promise.all(ids.map((id) => stan.connect(id, { connId: bytesOf(`new-${id}`) })));
    const publish = (id: string, connId: string) => stan.publish(id, name, "x", { connId: bytesOf(connId) });
    return [
      answers.map(({ error }) => error),
      await publish(ids[3]!, `conn-${ids[3]}`),
      await publish(ids[3]!, `new-${ids[3]}`),
    ];
  },

  "scenario 10: while one connect asks the old client, others of its ID are refused and other IDs do not wait": async (
    stan,
    name,
  ) => {
    const heartbeatInbox = stan.inbox();
    await stan.connect(name, { heartbeatInbox });
    stan.deaf.add(heartbeatInbox);
    const order: string[] = [];
    const connect = async (what: string, id: string) => order.push(`${what}: ${(await stan.connect(id)).error}`);
    const first = connect("first", name);
    await Promise.all([connect("second", name), connect("another", `${name}-2`)]);
    order.sort();
    await first;
    return order;
  },

  "scenario 29: what was published before a close is stored": async (stan, name) => {
    await stan.connect(name);
    const answers = stan.gather(`${name}.acks`);
    for (let i = 0; i < 1_000; i++) {
      stan.send(`_STAN.pub.test-cluster.${name}`, pubMsg(name, name, `g${i}`), `${name}.acks`);
    }
    const closed = await stan.close(name);
    await stan.connect(`${name}-2`);
    const all = await stan.sub(`${name}-2`, name);
    await all.atLeast(1_000);
    await eventually(() => answers.length >= 1_000 || undefined, "a thousand acks");
    return [closed, answers.length, all.messages.length];
  },

  "scenario 30: messages come before the acks of their publishers": async (stan, name) => {
    await stan.connect(name);
    const inbox = stan.inbox();
    const arrived = stan.gather(inbox);
    await stan.request("_STAN.sub.test-cluster", subscriptionRequest(name, name, inbox));
    for (const guid of ["g1", "g2", "g3"]) stan.send(`_STAN.pub.test-cluster.${name}`, pubMsg(name, name, guid), inbox);
    await eventually(() => arrived.length >= 6 || undefined, "three messages and three acks");
    const kinds = arrived.map((payload) => payload[0] === 0x0a ? PubAck.decode(payload).guid : "message");
    return ["g1", "g2", "g3"].map((guid, i) =>
      kinds.slice(0, kinds.indexOf(guid)).filter((each) => each === "message").length > i
    );
  },

  "scenario 34: the response to a subscribe request comes before its messages": async (stan, name) => {
    await stan.connect(name);
    const seen: boolean[] = [];
    const wishes = [{}, { durableName: "d" }, { queueGroup: "g" }, { queueGroup: "g", durableName: "d" }];
    for (const [i, wish] of wishes.entries()) {
      const inbox = stan.inbox();
      const arrived = stan.gather(inbox);
      stan.send("_STAN.sub.test-cluster", subscriptionRequest(name, name, inbox, wish), inbox);
      stan.send(`_STAN.pub.test-cluster.${name}`, pubMsg(name, name, `g${i}`));
      await stan.publish(name, name);
      await eventually(() => arrived.length >= 2 || undefined, "a response and a message");
      seen.push(SubscriptionResponse.decode(arrived[0]!).ackInbox !== "");
    }
    return seen;
  },

  "scenario 31: a publish without a reply subject is stored": async (stan, name) => {
    await stan.connect(name);
    const all = await stan.sub(name, name);
    stan.send(`_STAN.pub.test-cluster.${name}`, pubMsg(name, name, "g"));
    return takeAll([[all, 1]]);
  },

  "a group takes turns": async (stan, name) => {
    await stan.connect(name);
    const [a, b, c] = [
      await stan.sub(name, name, { queueGroup: "g" }),
      await stan.sub(name, name, { queueGroup: "g" }),
      await stan.sub(name, name, { queueGroup: "g" }),
    ];
    await stan.publishMany(name, name, 9);
    const seen = await takeAll([[a, 3], [b, 3], [c, 3]]);
    b.ack(2, 5, 8);
    await settle(500);
    await stan.publishMany(name, name, 4);
    return [...seen, ...await takeAll([[a, 1], [b, 3], [c, 0]])];
  },

  "scenario 83: a group's full member is passed over": async (stan, name) => {
    await stan.connect(name);
    const small = await stan.sub(name, name, { queueGroup: "g", maxInFlight: 1 });
    const large = await stan.sub(name, name, { queueGroup: "g", maxInFlight: 4 });
    await stan.publishMany(name, name, 8);
    const seen = await takeAll([[small, 1], [large, 4]]);
    large.ack(2);
    seen.push(...await takeAll([[small, 0], [large, 1]]));
    small.ack(1);
    seen.push(...await takeAll([[small, 1], [large, 0]]));
    return seen;
  },

  "scenarios 79, 80 and 87: a member leaves with messages": async (stan, name) => {
    await stan.connect(name);
    const seen: string[] = [];
    for (const how of ["close", "unsubscribe"] as const) {
      const channel = `${name}.${how}`;
      const leaver = await stan.sub(name, channel, { queueGroup: "g" });
      const stays = await stan.sub(name, channel, { queueGroup: "g" });
      await stan.publishMany(name, channel, 4);
      seen.push(...await takeAll([[leaver, 2], [stays, 2]]), await leaver[how]());
      seen.push(...await takeAll([[stays, 2]]), await stays.close());
      const again = await stan.sub(name, channel, { queueGroup: "g" });
      seen.push(...await takeAll([[again, 4]]));
    }
    return seen;
  },

  "scenarios 68 and 88: overdue messages of a group": async (stan, name) => {
    await stan.connect(name);
    const slow = await stan.sub(name, name, { queueGroup: "g", ackWaitInSecs: 3, maxInFlight: 1 });
    const other = await stan.sub(name, name, { queueGroup: "g", ackWaitInSecs: 30, maxInFlight: 5 });
    await stan.publishMany(name, name, 2);
    const seen = await takeAll([[slow, 1], [other, 2]]);
    slow.ack(1);
    await settle(500);
    await stan.publishMany(name, name, 1);
    return [...seen, ...await takeAll([[slow, 1], [other, 0]])];
  },

  "scenarios 81 and 90: a durable group empties and refills": async (stan, name) => {
    await stan.connect(name);
    await stan.connect(`${name}-2`);
    const wish = { queueGroup: "g", durableName: "d" };
    const first = await stan.sub(name, name, wish);
    const second = await stan.sub(`${name}-2`, name, wish);
    await stan.publishMany(name, name, 4);
    const seen = await takeAll([[first, 2], [second, 2]]);
    first.ack(1);
    second.ack(4);
    seen.push(await first.close(), ...await takeAll([[second, 1]]), await stan.close(`${name}-2`));
    await stan.publishMany(name, name, 2);
    const again = await stan.sub(name, name, wish);
    seen.push(...await takeAll([[again, 4]]), await again.unsubscribe());
    const fresh = await stan.sub(name, name, wish);
    return [...seen, ...await takeAll([[fresh, 6]])];
  },

  "durability is the last member's": async (stan, name) => {
    await stan.connect(name);
    const durable = await stan.sub(name, name, { queueGroup: "q", durableName: "d" });
    const plain = await stan.sub(name, name, { queueGroup: "d:q" });
    await stan.publishMany(name, name, 2);
    const seen = await takeAll([[durable, 1], [plain, 1]]);
    seen.push(await durable.close(), await plain.close());
    const again = await stan.sub(name, name, { queueGroup: "q", durableName: "d" });
    return [...seen, ...await takeAll([[again, 2]])];
  },

  "scenarios 22 and 54: a connection is closed": async (stan, name) => {
    await stan.connect(name);
    await stan.connect(`${name}-2`);
    await stan.sub(name, name);
    await stan.sub(name, name, { durableName: "d" });
    await stan.sub(name, name, { queueGroup: "g" });
    const heir = await stan.sub(`${name}-2`, name, { queueGroup: "g" });
    await stan.publishMany(name, name, 2);
    const seen = await takeAll([[heir, 1]]);
    seen.push(await stan.close(name), await stan.close(name), ...await takeAll([[heir, 1]]));
    await stan.connect(name);
    const durable = await stan.sub(name, name, { durableName: "d" });
    return [...seen, ...await takeAll([[durable, 2]])];
  },
};

/** Stages all plays at once on the server at `url`; answers what each saw, by title. */
export async function stagePlays(url: string): Promise<Record<string, unknown>> {
  const stan = await RawStan.open(url);
  try {
    const seen = await Promise.all(
      Object.entries(plays).map(async ([title, play], i) => [title, await play(stan, `play${i}`)] as const),
    );
    return JSON.parse(JSON.stringify(Object.fromEntries(seen), asJson));
  } finally {
    await stan.end();
  }
}

function asJson(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? `bytes ${String.fromCharCode(...value)}` : value;
}

/** What the plays saw of the reference. */
export function expectedPlays(): Record<string, unknown> {
  return JSON.parse(Deno.readTextFileSync(goldenPath));
}

export const goldenPath = new URL("../golden/streaming_plays.json", import.meta.url);
