/**
 * Small plays of raw STAN clients, each on channels and clients of its own, so that all can be staged at once. What they
 * saw of the reference is kept in `tests/golden/streaming_plays.json`; every server must show them the same.
 */
import { ConnectResponse, StartPosition, type UnsubscribeRequest } from "../../src/protocol/client_messages.ts";
import { bytesOf, RawStan, RawSubscription } from "./raw_stan_client.ts";

/** A play: plays on its own channels and clients, and answers what it saw. */
type Play = (stan: RawStan, name: string) => Promise<unknown[]>;

/** Long enough for everything that comes at once to have come. */
function settle(millis = 250): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, millis));
}

/** What the responses say without what is random in them. */
function said(response: ConnectResponse): unknown {
  return { ...response, publicKey: undefined };
}

const garbage = new Uint8Array([0xff, 0xff, 0xff]);

const plays: Readonly<Record<string, Play>> = {
  "connecting": async (stan, name) => {
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

  "what cannot be decoded": async (stan) => {
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

  "pings": async (stan, name) => {
    await stan.connect(name, { connId: bytesOf(`id-${name}`) });
    const ping = (text: string) =>
      stan.request("_STAN.discover.test-cluster.pings", new Uint8Array([10, text.length, ...bytesOf(text)]));
    return [await ping(`id-${name}`), await ping("nobody"), await stan.close(name), await ping(`id-${name}`)];
  },

  "a client is replaced": async (stan, name) => {
    const heartbeatInbox = stan.inbox();
    await stan.connect(name, { heartbeatInbox, connId: bytesOf(`old-${name}`) });
    const durable = await stan.sub(name, name, { durableName: "d" });
    await stan.publish(name, name, "x", { connId: bytesOf(`old-${name}`) });
    await settle();
    const refused = (await stan.connect(name)).error;
    stan.deaf.add(heartbeatInbox);
    const accepted = (await stan.connect(name, { connId: bytesOf(`new-${name}`) })).error;
    const old = await stan.publish(name, name, "x", { connId: bytesOf(`old-${name}`) });
    const again = await stan.sub(name, name, { durableName: "d" });
    await settle();
    return [durable.take(), refused, accepted, old, again.take()];
  },

  "publish requests": async (stan, name) => {
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
    await settle();
    answers.push(
      all.messages.map(({ subject, reply, data }) => [subject === name, reply, new TextDecoder().decode(data)]),
    );
    return answers;
  },

  "subscribe requests": async (stan, name) => {
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

  "start positions": async (stan, name) => {
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
      await settle();
      seen.push(subscriptions.map((each) => each.take()));
    }
    return seen;
  },

  "unsubscribing": async (stan, name) => {
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

  "a durable is closed, resumed and removed": async (stan, name) => {
    await stan.connect(name);
    const seen: string[] = [];
    let durable = await stan.sub(name, name, { durableName: "d", maxInFlight: 3 });
    await stan.publishMany(name, name, 5);
    await settle();
    seen.push(durable.take());
    durable.ack(1);
    await settle();
    seen.push(durable.take(), await durable.close(), await durable.close());
    const old = durable.ackInbox;
    durable = await stan.sub(name, name, { durableName: "d", maxInFlight: 2 });
    await settle();
    seen.push(durable.take(), `${old === durable.ackInbox}`);
    durable.ack(2, 3);
    await settle();
    seen.push(durable.take());
    await durable.close();
    durable = await stan.sub(name, name, { durableName: "d" });
    await settle();
    seen.push(durable.take(), await durable.unsubscribe());
    durable = await stan.sub(name, name, { durableName: "d" });
    await settle();
    seen.push(durable.take());
    return seen;
  },

  "redelivery keeps its rhythm and counts": async (stan, name) => {
    await stan.connect(name);
    const subscription = await stan.sub(name, name, { ackWaitInSecs: 1, maxInFlight: 2 });
    await stan.publishMany(name, name, 3);
    await settle(3_500);
    const seen = [subscription.take()];
    subscription.ack(1, 99);
    await settle();
    seen.push(subscription.take());
    await settle(1_000);
    seen.push(subscription.take());
    return seen;
  },

  "an ack that names another channel is useless": async (stan, name) => {
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

  "a group takes turns": async (stan, name) => {
    await stan.connect(name);
    const members = [];
    for (let i = 0; i < 3; i++) members.push(await stan.sub(name, name, { queueGroup: "g" }));
    await stan.publishMany(name, name, 9);
    await settle();
    const seen = members.map((each) => each.take());
    members[1]!.ack(2, 5, 8);
    await settle();
    await stan.publishMany(name, name, 4);
    await settle();
    return [...seen, ...members.map((each) => each.take())];
  },

  "a group's full member is passed over": async (stan, name) => {
    await stan.connect(name);
    const small = await stan.sub(name, name, { queueGroup: "g", maxInFlight: 1 });
    const large = await stan.sub(name, name, { queueGroup: "g", maxInFlight: 4 });
    await stan.publishMany(name, name, 8);
    await settle();
    const seen = [small.take(), large.take()];
    large.ack(2);
    await settle();
    seen.push(small.take(), large.take());
    small.ack(1);
    await settle();
    return [...seen, small.take(), large.take()];
  },

  "a member leaves with messages": async (stan, name) => {
    await stan.connect(name);
    const seen: unknown[] = [];
    for (const how of ["close", "unsubscribe"] as const) {
      const channel = `${name}.${how}`;
      const leaver = await stan.sub(name, channel, { queueGroup: "g" });
      const stays = await stan.sub(name, channel, { queueGroup: "g" });
      await stan.publishMany(name, channel, 4);
      await settle();
      seen.push(leaver.take(), stays.take(), await leaver[how]());
      await settle(400);
      seen.push(stays.take());
      leaver.ack(1);
      stays.ack(2);
      await settle();
      seen.push(await stays.close());
      const again = await stan.sub(name, channel, { queueGroup: "g" });
      await settle();
      seen.push(again.take());
    }
    return seen;
  },

  "overdue messages of a group": async (stan, name) => {
    await stan.connect(name);
    const slow = await stan.sub(name, name, { queueGroup: "g", ackWaitInSecs: 1, maxInFlight: 1 });
    const other = await stan.sub(name, name, { queueGroup: "g", ackWaitInSecs: 30, maxInFlight: 5 });
    await stan.publishMany(name, name, 2);
    await settle(1_400);
    const seen = [slow.take(), other.take()];
    slow.ack(1);
    await stan.publishMany(name, name, 1);
    await settle();
    seen.push(slow.take(), other.take());
    return seen;
  },

  "a durable group empties and refills": async (stan, name) => {
    await stan.connect(name);
    await stan.connect(`${name}-2`);
    const wish = { queueGroup: "g", durableName: "d" };
    const first = await stan.sub(name, name, wish);
    const second = await stan.sub(`${name}-2`, name, wish);
    await stan.publishMany(name, name, 4);
    await settle();
    const seen = [first.take(), second.take()];
    first.ack(1);
    second.ack(4);
    await settle();
    seen.push(await first.close());
    await settle(400);
    seen.push(second.take(), await stan.close(`${name}-2`));
    await stan.publishMany(name, name, 2);
    const again = await stan.sub(name, name, wish);
    await settle();
    seen.push(again.take(), await again.unsubscribe());
    const fresh = await stan.sub(name, name, wish);
    await settle();
    return [...seen, fresh.take()];
  },

  "durability is the last member's": async (stan, name) => {
    await stan.connect(name);
    const durable = await stan.sub(name, name, { queueGroup: "q", durableName: "d" });
    const plain = await stan.sub(name, name, { queueGroup: "d:q" });
    await stan.publishMany(name, name, 2);
    await settle();
    const seen = [durable.take(), plain.take(), await durable.close(), await plain.close()];
    const again = await stan.sub(name, name, { queueGroup: "q", durableName: "d" });
    await settle();
    return [...seen, again.take()];
  },

  "a connection is closed": async (stan, name) => {
    await stan.connect(name);
    await stan.connect(`${name}-2`);
    await stan.sub(name, name);
    await stan.sub(name, name, { durableName: "d" });
    await stan.sub(name, name, { queueGroup: "g" });
    const heir = await stan.sub(`${name}-2`, name, { queueGroup: "g" });
    await stan.publishMany(name, name, 2);
    await settle();
    const seen = [heir.take(), await stan.close(name), await stan.close(name)];
    await settle(400);
    seen.push(heir.take());
    await stan.connect(name);
    const durable = await stan.sub(name, name, { durableName: "d" });
    await settle();
    return [...seen, durable.take()];
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
  return value instanceof Uint8Array ? { bytes: [...value] } : value;
}

/** What the plays saw of the reference. */
export function expectedPlays(): Record<string, unknown> {
  return JSON.parse(Deno.readTextFileSync(goldenPath));
}

export const goldenPath = new URL("../golden/streaming_plays.json", import.meta.url);
