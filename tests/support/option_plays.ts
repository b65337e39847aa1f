/**
 * Plays on a server with short heartbeats, tight limits and `replace_durable`. What they saw of the reference is kept in
 * `tests/golden/option_plays.json`.
 */
import { StartPosition } from "../../src/protocol/client_messages.ts";
import { bytesOf, RawStan, type RawSubscription, settle } from "./raw_stan_client.ts";

/** The options that the plays are written for. */
export const playOptions: readonly string[] = [
  ...["-hb_interval", "200ms", "-hb_timeout", "600ms", "-hb_fail_count", "7"],
  ...["-max_subs", "3", "-max_msgs", "10", "-max_inactivity", "3s", "-replace_durable"],
];

type Play = (stan: RawStan, name: string) => Promise<unknown[]>;

/** Connects a client whose heartbeats go unanswered once its inbox is among the deaf. */
async function connectWithInbox(stan: RawStan, clientId: string): Promise<string> {
  const heartbeatInbox = stan.inbox();
  await stan.connect(clientId, { heartbeatInbox });
  return heartbeatInbox;
}

const plays: Readonly<Record<string, Play>> = {
  "scenarios 16 and 22: a client that does not answer is evicted": async (stan, name) => {
    const inbox = await connectWithInbox(stan, name);
    await stan.connect(`${name}-2`);
    const plain = await stan.sub(name, name);
    const durable = await stan.sub(name, name, { durableName: "d" });
    const heir = await stan.sub(`${name}-2`, name, { queueGroup: "g" });
    await stan.publishMany(`${name}-2`, name, 1);
    const seen = [await plain.takeJust(1), await durable.takeJust(1), await heir.takeJust(1)];
    stan.deaf.add(inbox);
    const ping = new Uint8Array([10, name.length + 5, ...bytesOf(`conn-${name}`)]);
    const pings = async () => (await stan.request("_STAN.discover.test-cluster.pings", ping))?.length === 0;
    for (let i = 0; i < 200 && await pings(); i++) await settle(50);
    seen.push(await stan.publish(name, name), await stan.close(name));
    await stan.publishMany(`${name}-2`, name, 1);
    seen.push(await plain.takeJust(0), await durable.takeJust(0), await heir.takeJust(1));
    seen.push((await stan.connect(name)).error);
    seen.push(await (await stan.sub(name, name, { durableName: "d" })).takeJust(2));
    return seen;
  },

  "scenario 20: a client with failed heartbeats gets no redeliveries": async (stan, name) => {
    const inbox = await connectWithInbox(stan, name);
    const plain = await stan.sub(name, name, { ackWaitInSecs: 1 });
    const alone = await stan.sub(name, name, { ackWaitInSecs: 1, queueGroup: "g" });
    stan.deaf.add(inbox);
    await settle(2_000);
    await stan.publishMany(name, name, 1);
    const seen = [await plain.takeJust(1)];
    await alone.atLeast(2);
    await settle(300);
    seen.push(plain.take(), alone.take().split(" ").slice(0, 2).join(" "));
    stan.deaf.delete(inbox);
    seen.push(await plain.takeAtLeast(1));
    return seen;
  },

  "scenario 21: a group passes over a member with failed heartbeats": async (stan, name) => {
    const inbox = await connectWithInbox(stan, name);
    await stan.connect(`${name}-2`);
    const deaf = await stan.sub(name, name, { queueGroup: "g" });
    const live = await stan.sub(`${name}-2`, name, { queueGroup: "g" });
    stan.deaf.add(inbox);
    await settle(2_000);
    await stan.publishMany(`${name}-2`, name, 3);
    return [await live.takeJust(3), await deaf.takeJust(0)];
  },

  "scenario 44: too many subscriptions": async (stan, name) => {
    await stan.connect(name);
    const seen: string[] = [];
    const ask = async (fields: Record<string, unknown>) => {
      const answer = await stan.subscribe(name, name, fields);
      seen.push(typeof answer === "string" ? answer : "accepted");
      return answer;
    };
    await ask({});
    const durable = await ask({ durableName: "d" }) as RawSubscription;
    const member = await ask({ queueGroup: "g", durableName: "d" }) as RawSubscription;
    for (const fields of [{}, { durableName: "e" }, { queueGroup: "g", durableName: "d" }, { queueGroup: "h" }]) {
      await ask(fields);
    }
    seen.push(await durable.close(), await member.close());
    await ask({});
    await ask({ queueGroup: "g", durableName: "d" });
    await ask({ durableName: "d" });
    seen.push(await durable.close());
    return seen;
  },

  "scenarios 27, 38 and 63: the oldest messages go": async (stan, name) => {
    await stan.connect(name);
    const pending = await stan.sub(name, name, { maxInFlight: 4, ackWaitInSecs: 2 });
    await stan.publishMany(name, name, 4);
    const seen = [await pending.takeJust(4)];
    await stan.publishMany(name, name, 8);
    const all = await stan.sub(name, name);
    const late = await stan.sub(name, name, { startPosition: StartPosition.sequence, startSequence: 1 });
    seen.push(await all.takeJust(10), await late.takeJust(10));
    // What is gone is passed over; of what remains the first round of redeliveries is looked at.
    await pending.atLeast(6);
    seen.push(pending.take().split(" ").filter((each) => ["3#1", "4#1", "5", "6"].includes(each)).sort().join(" "));
    return seen;
  },

  "scenario 46: a durable is replaced": async (stan, name) => {
    await stan.connect(name);
    const first = await stan.sub(name, name, { durableName: "d" });
    await stan.publishMany(name, name, 1);
    const seen = [await first.takeJust(1)];
    const second = await stan.sub(name, name, { durableName: "d" });
    seen.push(await second.takeJust(1));
    await stan.publishMany(name, name, 1);
    seen.push(await first.takeJust(0), await second.takeJust(1));
    seen.push(await first.close(), await second.close());
    return seen;
  },

  "scenarios 93 and 94: an idle channel is deleted": async (stan, name) => {
    await stan.connect(name);
    const kept = await stan.sub(name, `${name}.kept`);
    const channel = `${name}.idle`;
    const durable = await stan.sub(name, channel, { durableName: "d" });
    await stan.publishMany(name, channel, 2);
    await stan.publishMany(name, `${name}.kept`, 1);
    const seen = [await durable.takeJust(2), await kept.takeJust(1), await durable.close()];
    // Together longer than the time after which an idle channel goes; each leaves room for a busy machine.
    await settle(1_700);
    await stan.publishMany(name, channel, 1);
    await settle(1_700);
    await stan.publishMany(name, channel, 1);
    seen.push(await (await stan.sub(name, channel, { durableName: "other" })).takeJust(4));
    const again = `${name}.again`;
    await stan.publishMany(name, again, 2);
    await settle(5_000);
    await stan.publishMany(name, again, 1);
    seen.push(await (await stan.sub(name, again)).takeJust(1));
    await stan.publishMany(name, `${name}.kept`, 1);
    seen.push(await kept.takeJust(1));
    return seen;
  },
};

/** Stages all plays at once on a server with {@link playOptions}; answers what each saw, by title. */
export async function stageOptionPlays(url: string): Promise<Record<string, unknown>> {
  const stan = await RawStan.open(url);
  try {
    const seen = await Promise.all(
      Object.entries(plays).map(async ([title, play], i) => [title, await play(stan, `play${i}`)] as const),
    );
    return Object.fromEntries(seen);
  } finally {
    await stan.end();
  }
}

export const optionGolden = new URL("../golden/option_plays.json", import.meta.url);

/** What the plays saw of the reference. */
export function expectedOptionPlays(): Record<string, unknown> {
  return JSON.parse(Deno.readTextFileSync(optionGolden));
}
