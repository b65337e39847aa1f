/** Random permissions: the embedded server allows and refuses what the real one does. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { matches } from "../../src/nats/embedded/subjects/subject_rules.ts";
import { optionsFrom } from "../support/configured_nats.ts";
import { natsServerPath, startNatsServer } from "../support/nats_server.ts";
import { quietConnect, RawNatsClient } from "../support/raw_nats_client.ts";
import { startEmbedded } from "../support/embedded_nats.ts";
import type { PermissionRules } from "../../src/nats/embedded/mod.ts";

const token = fc.constantFrom("a", "b", "*");
const pattern = fc.tuple(fc.array(token, { minLength: 1, maxLength: 3 }), fc.boolean())
  .map(([tokens, rest]) => (rest ? [...tokens, ">"] : tokens).join("."));
const plainList = fc.array(pattern, { maxLength: 3 });
/** Entries with a queue; one group to a subject, whose own entry, if any, is in the same list. */
const queueList = fc.array(fc.tuple(pattern, fc.constantFrom("", "", " q", " g.*")).map((parts) => parts.join("")), {
  maxLength: 3,
});
/** Subjects are denied whole or to a group, not both (see docs/differences.md). */
const denyList = fc.oneof(plainList, fc.array(pattern.map((one) => `${one} q`), { maxLength: 3 }));
const responses = fc.record({ max: fc.constantFrom(1, 2, 3), expires: fc.constant("1m") });
const publish = fc.record({ allow: plainList, deny: plainList }, { requiredKeys: [] });
const rules = fc.oneof(
  fc.record({ publish, subscribe: fc.record({ allow: queueList, deny: denyList }, { requiredKeys: [] }) }, {
    requiredKeys: [],
  }),
  // A message that should not have come, as at the real server, would give a right to answer it: nothing is denied here.
  fc.record({ publish, subscribe: fc.record({ allow: queueList }), allow_responses: responses }, {
    requiredKeys: ["allow_responses"],
  }),
);
type Rules = Omit<PermissionRules, "responses"> & { allow_responses?: { max: number; expires: string } };

/** Subscriptions end in no `>`: there the real server allows more than its lists say (see docs/differences.md). */
const literalOrStar = fc.array(token, { minLength: 1, maxLength: 3 }).map((tokens) => tokens.join("."));
const command = fc.oneof(
  pattern.map((to) => `PUB ${to} 1\r\nx\r\n`),
  fc.tuple(literalOrStar, fc.constantFrom("", " q", " g.a", " other"), fc.nat(9)).map(([to, queue, sid]) =>
    `SUB ${to}${queue} ${sid}\r\n`
  ),
);

function configOf(users: readonly Rules[]): string {
  const list = users.map((permissions, i) => JSON.stringify({ user: `u${i}`, password: "p", permissions }));
  return `authorization { users = [\n{ user: root, password: p }\n${list.join("\n")}\n] }\n`;
}

/** Every subject of up to three tokens. */
const everything = ["a", "b"].flatMap((
  one,
) => [one, ...["a", "b"].flatMap((two) => [`${one}.${two}`, `${one}.${two}.a`])]);

/** What a user hears upon its commands, and then of somebody who may publish everything. */
async function answer(port: number, user: number, commands: readonly string[]): Promise<string> {
  const client = await RawNatsClient.connect(port);
  const root = await RawNatsClient.connect(port);
  await root.ask(quietConnect({ user: "root", pass: "p" }));
  await client.ask(quietConnect({ user: `u${user}`, pass: "p" }));
  let text = await client.ask(commands.join(""));
  await root.ask(everything.map((to, i) => `PUB ${to} reply.${i} 1\r\nx\r\n`).join(""));
  text += await client.ask("");
  for (let times = 0; times < 4; times++) {
    text += await client.ask(everything.map((_, i) => `PUB reply.${i} 1\r\nx\r\n`).join(""));
  }
  await client.close();
  await root.close();
  // Which member of a group gets a message is free.
  return text.replace(/MSG (\S+) \S+ (reply\.\d+ )?1/g, "MSG $1 any 1").split(/(?=MSG |-ERR )/).sort().join("");
}

/** The real server lets a denied message pass where the subscription overlaps the entry without holding it whole. */
function withoutDenied(text: string, { subscribe }: Rules): string {
  const denied = (frame: string) => {
    const to = /^MSG (\S+)/.exec(frame)?.[1];
    return to !== undefined && (subscribe?.deny ?? []).some((entry) => matches(entry, to));
  };
  return text.split(/(?=MSG |-ERR )/).filter((frame) => !denied(frame)).join("");
}

Deno.test({
  name: "random permissions allow and refuse the same at the embedded server and at the real one",
  ignore: natsServerPath === undefined,
  fn: async () => {
    const users = fc.sample(rules, { numRuns: 300, seed: 11 });
    const talks = fc.sample(fc.array(command, { minLength: 1, maxLength: 25 }), { numRuns: 300, seed: 12 });
    const real = await startNatsServer({ config: configOf(users) });
    const ours = await startEmbedded({ ...optionsFrom(configOf(users)), host: "127.0.0.1", port: 0 });
    try {
      let refused = 0;
      let delivered = 0;
      for (const [i, talk] of talks.entries()) {
        const [expected, actual] = [await answer(real.port, i, talk), await answer(ours.address.port, i, talk)];
        assert.equal(actual, withoutDenied(expected, users[i]!), JSON.stringify({ permissions: users[i], talk }));
        refused += actual.split("-ERR").length - 1;
        delivered += actual.split("MSG").length - 1;
      }
      assert.ok(refused > 300 && delivered > 300, `${refused} refusals and ${delivered} messages are no test`);
    } finally {
      await ours.close();
      await real.stop();
    }
  },
});
