/**
 * Plays in two acts with a restart of the streaming server between them, while NATS and its clients stay. What they saw of
 * the reference is kept in `tests/golden/restart_plays.json`.
 */
import { bytesOf, RawStan, settle } from "./raw_stan_client.ts";

/** The first act answers what the second one is given, and tells what it saw through `saw`. */
type Act = (stan: RawStan, name: string, saw: (...what: unknown[]) => void) => Promise<Act | void>;

/** Ack wait of messages that a restart finds pending, seconds. */
const ACK_WAIT = 4;

/** What is due this soon goes along with what is due, as in the reference; and the clock that is asked here is a coarse one. */
const LOOK_AHEAD = 15 + 1;

/** Whether the message's ack wait is over by now. */
function isOverdue({ timestamp }: { readonly timestamp: bigint }): boolean {
  return BigInt(Date.now() + LOOK_AHEAD - ACK_WAIT * 1_000) * 1_000_000n >= timestamp;
}

const GROUP = { queueGroup: "g" };
const DURABLE_GROUP = { queueGroup: "g", durableName: "d" };

const plays: Readonly<Record<string, Act>> = {
  "scenario 14: a client is known, with its connection": async (stan, name) => {
    await stan.connect(name, { connId: bytesOf(`id-${name}`) });
    return async (stan, name, saw) => {
      const ping = new Uint8Array([10, name.length + 3, ...bytesOf(`id-${name}`)]);
      saw((await stan.request("_STAN.discover.test-cluster.pings", ping))?.length);
      saw((await stan.connect(name)).error);
      saw(await stan.publish(name, name, "x", { connId: bytesOf(`id-${name}`) }));
      saw(await stan.close(name));
    };
  },

  "a plain subscription goes on, and its ack inbox works": async (stan, name, saw) => {
    await stan.connect(name);
    const subscription = await stan.sub(name, name, { maxInFlight: 3 });
    await stan.publishMany(name, name, 3);
    saw(await subscription.takeJust(3));
    subscription.ack(2);
    await settle();
    return async (stan, name, saw) => {
      await stan.publishMany(name, name, 2);
      saw(await subscription.takeJust(1));
      subscription.ack(1);
      saw(await subscription.takeJust(1), await subscription.close(), await subscription.close());
    };
  },

  "scenarios 67 and 69: pending messages come at their time, counted anew": async (stan, name, saw) => {
    await stan.connect(name);
    const subscription = await stan.sub(name, name, { ackWaitInSecs: ACK_WAIT });
    await stan.publishMany(name, name, 2);
    saw(await subscription.takeJust(2));
    return async (stan, name, saw) => {
      await stan.publishMany(name, name, 1);
      await subscription.atLeast(3);
      const overdue = subscription.messages.filter(({ redelivered }) => redelivered).every(isOverdue);
      // A restart may take longer than the ack wait: then the redeliveries come before the new message, and perhaps again.
      saw(subscription.take().split(" ").filter((each) => /^\d+(#1)?$/.test(each)).sort().join(" "), overdue);
    };
  },

  "scenario 70: a stalled subscription waits for its ack": async (stan, name, saw) => {
    await stan.connect(name);
    const subscription = await stan.sub(name, name, { maxInFlight: 1 });
    await stan.publishMany(name, name, 3);
    saw(await subscription.takeJust(1));
    return async (stan, name, saw) => {
      await stan.publishMany(name, name, 1);
      saw(await subscription.takeJust(0));
      subscription.ack(1);
      saw(await subscription.takeJust(1));
    };
  },

  "scenarios 45, 56 and 72: durables, closed and open": async (stan, name, saw) => {
    await stan.connect(name);
    const open = await stan.sub(name, name, { durableName: "open" });
    const closed = await stan.sub(name, name, { durableName: "closed" });
    await stan.publishMany(name, name, 3);
    saw(await open.takeJust(3), await closed.takeJust(3));
    open.ack(1);
    closed.ack(2);
    await settle();
    saw(await closed.close());
    return async (stan, name, saw) => {
      await stan.publishMany(name, name, 1);
      saw(await open.takeJust(1), await closed.takeJust(0));
      const twice = await stan.subscribe(name, name, { durableName: "open" });
      saw(typeof twice === "string" ? twice : "accepted");
      saw(await (await stan.sub(name, name, { durableName: "closed" })).takeJust(3));
      saw(await stan.close(name));
      await stan.connect(name);
      saw(await (await stan.sub(name, name, { durableName: "open" })).takeJust(3));
    };
  },

  "members of a group go on with what each holds": async (stan, name, saw) => {
    await stan.connect(name);
    const [a, b] = [await stan.sub(name, name, GROUP), await stan.sub(name, name, GROUP)];
    await stan.publishMany(name, name, 4);
    saw(await a.takeJust(2), await b.takeJust(2));
    a.ack(1, 3);
    await settle();
    return async (stan, name, saw) => {
      await stan.publishMany(name, name, 2);
      saw(await a.takeJust(2), await b.takeJust(0));
      saw(await b.close(), await a.takeJust(2));
    };
  },

  "scenario 89: a message that moved is with its new member": async (stan, name, saw) => {
    await stan.connect(name);
    const slow = await stan.sub(name, name, { ...GROUP, ackWaitInSecs: 1, maxInFlight: 1 });
    const other = await stan.sub(name, name, { ...GROUP, ackWaitInSecs: 30, maxInFlight: 2 });
    await stan.publishMany(name, name, 1);
    saw(await slow.takeJust(1), await other.takeJust(1));
    return async (stan, name, saw) => {
      saw(await slow.close(), await other.takeJust(0));
      slow.ack(1);
      await stan.publishMany(name, name, 2);
      saw(await other.takeJust(1));
    };
  },

  "scenario 90: an empty durable group keeps its place": async (stan, name, saw) => {
    await stan.connect(name);
    const [a, b] = [await stan.sub(name, name, DURABLE_GROUP), await stan.sub(name, name, DURABLE_GROUP)];
    await stan.publishMany(name, name, 2);
    saw(await a.takeJust(1), await b.takeJust(1));
    a.ack(1);
    await settle();
    saw(await stan.close(name));
    return async (stan, name, saw) => {
      await stan.connect(name);
      await stan.publishMany(name, name, 2);
      const again = await stan.sub(name, name, DURABLE_GROUP);
      saw(await again.takeJust(3), await again.unsubscribe());
      saw(await (await stan.sub(name, name, DURABLE_GROUP)).takeJust(4));
    };
  },

  "scenario 91: the holder of the highest message left": async (stan, name, saw) => {
    await stan.connect(name);
    const [a, b] = [await stan.sub(name, name, DURABLE_GROUP), await stan.sub(name, name, DURABLE_GROUP)];
    await stan.publishMany(name, name, 2);
    saw(await a.takeJust(1), await b.takeJust(1));
    a.ack(1);
    b.ack(2);
    await settle();
    saw(await b.close());
    return async (stan, name, saw) => {
      await stan.publishMany(name, name, 1);
      saw(await a.takeJust(1));
    };
  },

  "scenario 25: names must still differ in more than case": async (stan, name, saw) => {
    await stan.connect(name);
    saw(await stan.publish(name, `${name}.Case`));
    return async (stan, name, saw) => {
      saw((await stan.publish(name, `${name}.case`)).replaceAll(name, "NAME"));
      saw(await stan.publish(name, `${name}.Case`));
      saw(await (await stan.sub(name, `${name}.Case`)).takeJust(2));
    };
  },
};

/** Stages the first acts, calls `restart`, stages the second acts; answers what each play saw, by title. */
export async function stageRestartPlays(
  url: string,
  restart: () => Promise<unknown>,
): Promise<Record<string, unknown>> {
  const stan = await RawStan.open(url);
  const seen: Record<string, unknown[]> = {};
  const stage = (acts: [title: string, act: Act | void][]) =>
    Promise.all(acts.map(async ([title, act], i) => {
      const lines = seen[title] ??= [];
      return [title, await act?.(stan, `play${i}`, (...what) => lines.push(...what))] as [string, Act | void];
    }));
  try {
    const second = await stage(Object.entries(plays));
    // Acks are noted a moment later, except that a subscribe request writes all notes before it is answered.
    await stan.connect("barrier");
    await stan.sub("barrier", "barrier");
    await restart();
    await stage(second);
    return seen;
  } finally {
    await stan.end();
  }
}

export const restartGolden = new URL("../golden/restart_plays.json", import.meta.url);

/** What the plays saw of the reference. */
export function expectedRestartPlays(): Record<string, unknown> {
  return JSON.parse(Deno.readTextFileSync(restartGolden));
}
