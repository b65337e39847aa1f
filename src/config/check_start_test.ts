/** What makes a start fail is known before anything is opened (spec cli-config-monitoring, sections 1.3, 2.4 and 7). */
import assert from "node:assert/strict";
import { isValidChannelPattern } from "./channel_names.ts";
import { checkFiles } from "./check_files.ts";
import { checkBeforeLogging, checkStart } from "./check_start.ts";
import { defaultOptions } from "./defaults.ts";
import { effectiveOptions } from "./effective.ts";
import type { Options } from "./options.ts";

/** Effective options after `change`. */
function options(change: (options: Options) => void): Options {
  const changed = defaultOptions();
  change(changed);
  return effectiveOptions(changed, () => undefined);
}

function refusal(change: (options: Options) => void): string | undefined {
  return checkStart(options(change))?.line;
}

function failed(reason: string): string {
  return `STREAM: Failed to start: ${reason}`;
}

function clustered(change: (cluster: Options["streaming"]["cluster"]) => void): string | undefined {
  return refusal(({ streaming }) => {
    Object.assign(streaming, { store: "FILE", dir: "d" });
    streaming.cluster.clustered = true;
    change(streaming.cluster);
  });
}

const BCRYPT = "$2a$11$W2zko751KUvVy59mUTWmpOdWjpEm5qhcCZRd05GjI/sSOT.xtiHyG";

Deno.test("defaults may start", () => {
  assert.equal(refusal(() => {}), undefined);
  assert.equal(checkBeforeLogging(options(() => {})), undefined);
});

Deno.test("before there is a log: partitioning together with clustering", () => {
  const both = options(({ streaming }) => {
    Object.assign(streaming, { store: "FILE", dir: "d", partitioning: true });
    streaming.cluster.clustered = true;
  });
  assert.equal(checkBeforeLogging(both), "stan: channels partitioning in clustering mode is not supported");
});

Deno.test("channel names in limits", () => {
  for (const name of ["a", "a.b", "*", ">", "a.*", "a.>", "*.b.>", "A-_1", "é"]) {
    assert.ok(isValidChannelPattern(name), name);
  }
  for (const name of ["", ".", "a.", ".a", "a..b", "a/b", "a.b*", "a.>.b", "a.>b", "foo.*bar"]) {
    assert.ok(!isValidChannelPattern(name), name);
  }
});

Deno.test("limits in their order, and the number of channels without wildcards", () => {
  const entry = { maxSubscriptions: 0, maxMessages: 0, maxBytes: 0, maxAge: 0n, maxInactivity: 0n };
  assert.equal(
    refusal(({ streaming: { limits } }) => Object.assign(limits, { maxMessages: -2, maxBytes: -1 })),
    failed("max messages limit cannot be negative (-2)"),
  );
  const channels = ["a", "b", "c", "d.>"].map((name) => ({ name, ...entry }));
  assert.equal(
    refusal(({ streaming: { limits } }) => Object.assign(limits, { maxChannels: 2, channels })),
    failed("too many channels defined (3). The max channels limit is set to 2"),
  );
  assert.equal(refusal(({ streaming: { limits } }) => Object.assign(limits, { maxChannels: 3, channels })), undefined);
  assert.equal(refusal(({ streaming: { limits } }) => Object.assign(limits, { maxChannels: 0, channels })), undefined);
});

Deno.test("node ids and peers", () => {
  assert.equal(clustered((cluster) => Object.assign(cluster, { nodeId: "a.b-C_1", peers: ["b", "c"] })), undefined);
  for (const nodeId of ["a b", "*", "a.>", "a..b", ".a", "a\tb"]) {
    assert.match(clustered((cluster) => Object.assign(cluster, { nodeId })) ?? "", /is not valid; use letters, digits/);
  }
  assert.equal(
    clustered((cluster) => Object.assign(cluster, { nodeId: "a", peers: ["b", ""] })),
    failed("empty ID in configuration: [b ]"),
  );
  assert.equal(clustered((cluster) => Object.assign(cluster, { nodeId: "a", peers: ["b,c"] })), undefined);
});

Deno.test("options of the replication log", () => {
  assert.equal(
    clustered((cluster) => Object.assign(cluster, { logSnapshots: 0 })),
    failed("must retain at least one snapshot"),
  );
  assert.match(
    clustered((cluster) => Object.assign(cluster, { trailingLogs: -1 })) ?? "",
    /trailing logs value must not be negative/,
  );
  assert.equal(
    clustered((cluster) => Object.assign(cluster, { raftHeartbeatTimeout: 4 })),
    failed("HeartbeatTimeout is too low"),
  );
  assert.equal(
    clustered((cluster) => Object.assign(cluster, { raftHeartbeatTimeout: 5000 })),
    failed("ElectionTimeout (2s) must be equal or greater than Heartbeat Timeout (5s)"),
  );
  assert.equal(
    clustered((cluster) => Object.assign(cluster, { raftLeaseTimeout: 5000 })),
    failed("LeaderLeaseTimeout (5s) cannot be larger than heartbeat timeout (2s)"),
  );
  assert.equal(
    refusal(({ streaming }) => Object.assign(streaming.cluster, { logSnapshots: 0 })),
    undefined,
    "not clustered",
  );
});

Deno.test("the embedded server's own checks come with a hint", () => {
  const lost = failed("no NATS Server object returned");
  const cases: readonly [change: Partial<Options["nats"]>, hint: RegExp][] = [
    [{ maxPayload: 2000, maxPending: 1000 }, /max_payload \(2000\) cannot be higher than max_pending \(1000\)/],
    [
      { lameDuckDuration: 30_000, lameDuckGracePeriod: 30_000 },
      /lame_duck_grace_period \(30s\) must be below lame_duck_duration/,
    ],
    [{ noAuthUser: "nobody" }, /no_auth_user: "nobody" is not one of the users/],
  ];
  for (const [change, hint] of cases) {
    const result = checkStart(options(({ nats }) => Object.assign(nats, change)));
    assert.equal(result?.line, lost);
    assert.match(result?.hint ?? "", hint);
  }
});

Deno.test("routes need an address to listen on", () => {
  assert.equal(
    refusal(({ nats }) => Object.assign(nats, { routes: ["nats://a:1"] })),
    failed("solicited routes require cluster capabilities, e.g. --cluster"),
  );
});

Deno.test("our own connections must be able to log in", () => {
  const violation = failed("nats: Authorization Violation");
  const users = [{ user: "stan", password: "s" }, { user: "hashed", password: BCRYPT }];
  const login = (nats: Partial<Options["nats"]>, streaming: Partial<Options["streaming"]> = {}) =>
    refusal((all) => {
      Object.assign(all.nats, nats);
      Object.assign(all.streaming, streaming);
    });
  assert.equal(login({ users }), violation);
  assert.equal(login({ users }, { username: "nobody", password: "s" }), violation);
  assert.equal(login({ users }, { username: "stan", password: "x" }), violation);
  assert.equal(login({ users }, { username: "stan", password: "s" }), undefined);
  assert.equal(login({ users }, { username: "hashed", password: "anything" }), undefined, "left to the login");
  assert.equal(login({ users, user: "stan", password: "s" }), undefined, "by -user and -pass");
  assert.equal(login({ users, noAuthUser: "stan" }), undefined);
  assert.equal(login({ users }, { credentials: "f.creds" }), undefined);
  assert.equal(login({ users }, { natsServer: "nats://a:1" }), undefined, "external servers have their own users");
  assert.equal(login({ user: "a", password: BCRYPT }), violation);
  assert.equal(login({ user: "a", password: "plain" }), undefined);
});

Deno.test("files of our own connections: seed, authorities, certificate and key, in this order", () => {
  const files = new Map([
    ["plain", "x"],
    ["cert", "-----BEGIN CERTIFICATE-----"],
    ["key", "-----BEGIN EC PRIVATE KEY-----"],
    ["seed", "-----BEGIN USER NKEY SEED-----\nSUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY\n"],
  ]);
  const read = (path: string) => {
    const text = files.get(path);
    if (text === undefined) throw Object.assign(new Error("not there"), { code: "ENOENT" });
    return text;
  };
  const reason = (streaming: { nkeySeedFile?: string }, tls: Partial<Options["streaming"]["tls"]> = {}) => {
    const checked = options((all) => {
      Object.assign(all.streaming, streaming);
      Object.assign(all.streaming.tls, tls);
    });
    return checkFiles(checked, read)?.line;
  };
  assert.equal(reason({}), undefined);
  assert.equal(reason({ nkeySeedFile: "seed" }, { clientCa: "cert", clientCert: "cert", clientKey: "key" }), undefined);
  assert.equal(
    reason({ nkeySeedFile: "none" }, { clientCa: "none" }),
    failed("nats: open none: no such file or directory"),
  );
  assert.equal(reason({ nkeySeedFile: "plain" }), failed("nkeys: no nkey seed found"));
  assert.equal(
    reason({}, { clientCa: "none", clientCert: "none" }),
    failed("nats: error loading or parsing rootCA file: open none: no such file or directory"),
  );
  assert.equal(reason({}, { clientCa: "plain" }), failed('nats: failed to parse root certificate from "plain"'));
  const pair = "nats: error loading client certificate: ";
  assert.equal(reason({}, { clientCert: "none" }), failed(`${pair}open none: no such file or directory`));
  assert.equal(
    reason({}, { clientCert: "key" }),
    failed(`${pair}tls: failed to find any PEM data in certificate input`),
  );
  assert.equal(
    reason({}, { clientCert: "cert", clientKey: "cert" }),
    failed(`${pair}tls: failed to find any PEM data in key input`),
  );
  assert.equal(reason({}, { clientKey: "none" }), undefined, "without a certificate the key is not used");
});
