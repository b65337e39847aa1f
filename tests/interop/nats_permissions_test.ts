/** Random permissions: the embedded server allows and refuses what the real one does. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { matches } from "../../src/nats/embedded/subjects/subject_rules.ts";
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
const rules: fc.Arbitrary<PermissionRules> = fc.record({
  publish: fc.record({ allow: plainList, deny: plainList }, { requiredKeys: [] }),
  subscribe: fc.record({ allow: queueList, deny: plainList }, { requiredKeys: [] }),
}, { requiredKeys: [] });

/** Subscriptions end in no `>`: there the real server allows more than its lists say (see docs/differences.md). */
const literalOrStar = fc.array(token, { minLength: 1, maxLength: 3 }).map((tokens) => tokens.join("."));
const command = fc.oneof(
  pattern.map((to) => `PUB ${to} 1\r\nx\r\n`),
  fc.tuple(literalOrStar, fc.constantFrom("", " q", " g.a", " other"), fc.nat(9)).map(([to, queue, sid]) =>
    `SUB ${to}${queue} ${sid}\r\n`
  ),
);

function configOf(users: readonly PermissionRules[]): string {
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
  await root.ask(everything.map((to) => `PUB ${to} 1\r\nx\r\n`).join(""));
  text += await client.ask("");
  await client.close();
  await root.close();
  // Which member of a group gets a message is free.
  return text.replace(/MSG (\S+) \S+ 1/g, "MSG $1 any 1").split(/(?=MSG |-ERR )/).sort().join("");
}

/** The real server lets a denied message pass where the subscription overlaps the entry without holding it whole. */
function withoutDenied(text: string, { subscribe }: PermissionRules): string {
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
    const ours = await startEmbedded({
      authorization: {
        users: [
          { user: "root", password: "p" },
          ...users.map((permissions, i) => ({ user: `u${i}`, password: "p", permissions })),
        ],
      },
    });
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
