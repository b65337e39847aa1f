/** Users and their rights change while clients are connected: the embedded server tells them what the real one does. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { eventually } from "../support/deadline.ts";
import { natsServerPath, startNatsServer } from "../support/nats_server.ts";
import type { NatsServer, PermissionRules } from "../../src/nats/embedded/mod.ts";
import { optionsFrom } from "../support/configured_nats.ts";
import { quietConnect, RawNatsClient } from "../support/raw_nats_client.ts";
import { startEmbedded } from "../support/embedded_nats.ts";

const token = fc.constantFrom("a", "b", "*");
const pattern = fc.array(token, { minLength: 1, maxLength: 3 }).map((tokens) => tokens.join("."));
const entry = fc.tuple(pattern, fc.constantFrom("", "", " q")).map((parts) => parts.join(""));
const rules: fc.Arbitrary<PermissionRules> = fc.record({
  publish: fc.record({ allow: fc.array(pattern, { maxLength: 3 }), deny: fc.array(pattern, { maxLength: 2 }) }, {
    requiredKeys: [],
  }),
  subscribe: fc.record({ allow: fc.array(entry, { maxLength: 3 }), deny: fc.array(pattern, { maxLength: 2 }) }, {
    requiredKeys: [],
  }),
}, { requiredKeys: [] });

/** Some of `count` users are gone, some have another password, the others other rights. */
const settings = (count: number) =>
  fc.array(
    fc.record({ permissions: rules, gone: fc.nat(5), password: fc.constantFrom("p", "p", "p", "p", "p", "other") }),
    { minLength: count, maxLength: count },
  );
type Settings = readonly { permissions: PermissionRules; gone: number; password: string }[];

function configOf(users: Settings, more = ""): string {
  // Each user has a group of its own, as the choice among members is free.
  const own = (permissions: PermissionRules, i: number) =>
    JSON.parse(JSON.stringify(permissions).replaceAll(' q"', ` q${i}"`));
  const list = users
    .map(({ permissions, password }, i) =>
      JSON.stringify({ user: `u${i}`, password, permissions: own(permissions, i) })
    )
    .filter((_, i) => users[i]!.gone !== 0);
  return `authorization { users = [\n{ user: root, password: p }\n${list.join("\n")}\n] }\n${more}`;
}

const subjects = ["a", "b", "a.a", "a.b", "b.a", "b.b", "*", "a.*", "*.a", "a.*.b", "a.a.a", "*.*"];

interface Side {
  readonly port: number;
  /** Applies a new configuration, and resolves when it holds. */
  reload(config: string): Promise<void>;
  stop(): Promise<void>;
}

async function realSide(config: string): Promise<Side> {
  const file = await Deno.makeTempFile({ suffix: ".conf" });
  const include = `http: 127.0.0.1:-1\ninclude ${JSON.stringify(file.replace(/.*\//, ""))}\n`;
  await Deno.writeTextFile(file, config);
  const folder = file.replace(/\/[^/]*$/, "");
  const real = await startNatsServer({ config: include.replace(/"(.*)"/, `"${"../".repeat(9)}..${folder}/$1"`) });
  const loadedAt = async () => {
    const page = await (await fetch(`http://127.0.0.1:${real.monitorPort}/varz`)).json();
    return (page as { config_load_time: string }).config_load_time;
  };
  return {
    port: real.port,
    async reload(next) {
      const before = await loadedAt();
      await Deno.writeTextFile(file, next);
      Deno.kill(real.pid, "SIGHUP");
      await eventually(async () => await loadedAt() !== before || undefined, "the reload");
    },
    async stop() {
      await real.stop();
      await Deno.remove(file);
    },
  };
}

async function ourSide(config: string): Promise<Side> {
  const place = { host: "127.0.0.1", port: 0 };
  const server: NatsServer = await startEmbedded({ ...optionsFrom(config), ...place });
  return {
    port: server.address.port,
    reload: (next) => {
      server.reload({ ...optionsFrom(next), ...place });
      return Promise.resolve();
    },
    stop: () => server.close(),
  };
}

/** What each user hears: of its subscriptions before and after, of the reload, and of messages then. */
async function story(side: Side, count: number, next: string): Promise<string[]> {
  const root = await RawNatsClient.connect(side.port);
  await root.ask(quietConnect({ user: "root", pass: "p" }));
  const users = [];
  const heard: string[] = [];
  const subscribe = (user: number) =>
    subjects.map((to, i) => `SUB ${to} ${i}\r\nSUB ${to} q${user} q${i}\r\n`).join("");
  for (let i = 0; i < count; i++) {
    const user = await RawNatsClient.connect(side.port);
    heard.push(await user.ask(quietConnect({ user: `u${i}`, pass: "p" }) + subscribe(i)));
    users.push(user);
  }
  await side.reload(next);
  const everything = subjects.map((to) => `PUB ${to} 1\r\nx\r\n`).join("");
  for (const [i, user] of users.entries()) {
    const told = await user.ask(everything + subscribe(i));
    heard[i] += `after\n${told}${user.closed ? "closed" : ""}`;
  }
  for (const user of users) await user.close();
  await root.close();
  // Which subscription of several in a group gets a message is free, and copies come in any order.
  return heard.map((text) =>
    text.replace(/MSG (\S+) q\d+ 1/g, "MSG $1 group 1").split(/(?=MSG |-ERR |after)/).sort().join("")
  );
}

Deno.test({
  name: "random changes of users and rights reach connected clients as at the real server",
  ignore: natsServerPath === undefined,
  fn: async () => {
    const count = 12;
    const samples = fc.sample(fc.tuple(settings(count), settings(count)), { numRuns: 15, seed: 21 });
    let told = 0;
    for (const [first, second] of samples) {
      // Everybody can connect at first.
      const before = configOf(first.map((user) => ({ ...user, gone: 1, password: "p" })));
      const after = configOf(second);
      const [real, ours] = [await realSide(before), await ourSide(before)];
      try {
        const [expected, actual] = [await story(real, count, after), await story(ours, count, after)];
        for (const i of expected.keys()) {
          assert.equal(actual[i], expected[i], JSON.stringify({ before: first[i], after: second[i] }));
        }
        told += expected.join("").split("(sid").length - 1;
      } finally {
        await ours.stop();
        await real.stop();
      }
    }
    assert.ok(told > 50, `${told} subscriptions were taken away`);
  },
});
