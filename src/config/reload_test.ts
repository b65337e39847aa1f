/** What a reload changes, refuses and logs (spec cli-config-monitoring, section 4.1). */
import assert from "node:assert/strict";
import { parseCommandLine } from "./command_line.ts";
import { defaultOptions } from "./defaults.ts";
import { effectiveOptions } from "./effective.ts";
import type { Options } from "./options.ts";
import type { ConfigIo } from "./parser.ts";
import { RELOAD_WITHOUT_FILE, type ReloadApplied, reloadOptions, type ReloadResult } from "./reload.ts";

const BASE = "port: 4222\nstreaming { id: x }\n";

function ioOf(text: string): ConfigIo {
  return { read: () => text, env: () => undefined };
}

/** Starts with `first` behind the base and reloads with `second`. */
function reload(first: string, second: string, flags: readonly string[] = [], file = "-c"): ReloadResult {
  const args = [...flags, file, "r.conf"];
  const started = parseCommandLine(args, ioOf(BASE + first));
  assert.equal(started.kind, "run");
  return reloadOptions(args, (started as { options: Options }).options, ioOf(BASE + second));
}

function applied(first: string, second: string): ReloadApplied {
  const result = reload(first, second);
  assert.equal(result.kind, "applied", result.kind === "refused" ? result.line : "");
  return result as ReloadApplied;
}

const ALWAYS = ["Reloaded: authorization users", "Reloaded: accounts"];

const lines: readonly [second: string, lines: readonly string[]][] = [
  ["", []],
  ["max_payload: 2MB\n", ["Reloaded: max_payload = 2097152"]],
  ["debug: true\n", ["Reloaded: debug = true"]],
  ["log_file: x.log\n", ["Reloaded: log_file = x.log"]],
  ["pid_file: p2.pid\n", ["Reloaded: pid_file = p2.pid"]],
  ["ping_interval: 10s\nping_max: 3\nwrite_deadline: 5s\n", [
    "Reloaded: ping_interval = 10s",
    "Reloaded: ping_max = 3",
    "Reloaded: write_deadline = 5s",
  ]],
  ["authorization { user: a, password: b }\n", [
    "Reloaded: authorization username",
    "Reloaded: authorization password",
  ]],
  ["authorization { token: a, timeout: 3 }\n", [
    "Reloaded: authorization token",
    "Reloaded: authorization timeout = 3",
  ]],
  ["server_tags: [a, B]\n", ["Reloaded: tags"]],
  ["max_connections: 10\nmax_control_line: 5000\n", [
    "Reloaded: max_connections = 10",
    "Reloaded: max_control_line = 5000",
  ]],
  ["connect_error_reports: 5\nreconnect_error_reports: 6\nmax_traced_msg_len: 7\n", [
    "Reloaded: max_traced_msg_len = 7",
    "Reloaded: connect_error_reports = 5",
    "Reloaded: reconnect_error_reports = 6",
  ]],
  ["remote_syslog: 'udp://127.0.0.1:9'\nlogtime: false\n", [
    "Reloaded: logtime = false",
    "Reloaded: remote_syslog = udp://127.0.0.1:9",
  ]],
  ["tls { timeout: 3 }\n", [
    "Reloaded: tls = enabled",
    "Reloaded: tls timeout = 3",
    "Reloaded: authorization timeout = 4",
  ]],
];

for (const [second, expected] of lines) {
  Deno.test(`reload of ${JSON.stringify(second)}`, () => {
    assert.deepEqual(applied("", second).lines.toSorted(), [...ALWAYS, ...expected].toSorted());
  });
}

Deno.test("routing can change, but not where it listens", () => {
  const cluster = (more: string) => `cluster { listen: '127.0.0.1:6222', ${more} }\n`;
  assert.ok(applied(cluster(""), cluster('routes: ["nats://a:1"]')).lines.includes("Reloaded: cluster routes"));
  const changed = applied(cluster(""), cluster("authorization { user: a, password: b }"));
  assert.ok(changed.lines.includes("Reloaded: cluster"));
  assert.ok(changed.changed.includes("routes"));
  const refused = reload(cluster(""), "cluster { listen: '127.0.0.1:6223' }\n");
  assert.deepEqual(refused, {
    kind: "refused",
    line: "STREAM: Reload: config reload not supported for cluster port: old=6222, new=6223",
  });
});

const refusals: readonly [second: string, line: string][] = [
  ["port: 4223\n", "Port: old=4222, new=4223"],
  ["host: 127.0.0.1\n", "Host: old=0.0.0.0, new=127.0.0.1"],
  ["server_name: a\n", "ServerName: old=, new=a"],
  ["http_port: 8222\n", "HTTPPort: old=0, new=8222"],
  ["http_base_path: /x\n", "HTTPBasePath: old=, new=/x"],
  ["max_pending: 7MB\n", "MaxPending: old=67108864, new=7340032"],
  ["max_subscriptions: 5\n", "MaxSubs: old=0, new=5"],
  ["max_sub_tokens: 5\n", "MaxSubTokens: old=0, new=5"],
  ["lame_duck_duration: 40s\n", "LameDuckDuration: old=2m0s, new=40s"],
  ["lame_duck_grace_period: 5s\n", "LameDuckGracePeriod: old=10s, new=5s"],
  ["system_account: foo\n", "SystemAccount: old=, new=foo"],
  ["log_size_limit: 100\n", "LogSizeLimit: old=0, new=100"],
  ["prof_port: 5\n", "ProfPort: old=0, new=5"],
  ["no_header_support: true\n", "NoHeaderSupport: old=false, new=true"],
  ["allow_non_tls: true\n", "AllowNonTLS: old=false, new=true"],
  ["disable_sublist_cache: true\n", "NoSublistCache: old=false, new=true"],
];

for (const [second, line] of refusals) {
  Deno.test(`reload of ${JSON.stringify(second)} is refused`, () => {
    assert.deepEqual(reload("", second), {
      kind: "refused",
      line: `STREAM: Reload: config reload not supported for ${line}`,
    });
  });
}

Deno.test("50: without a file there is nothing to reload", () => {
  const options = effectiveOptions(defaultOptions(), () => undefined);
  assert.deepEqual(reloadOptions([], options, ioOf(BASE)), { kind: "refused", line: RELOAD_WITHOUT_FILE });
});

Deno.test("a file with mistakes changes nothing", () => {
  const syntax = reload("", "foo: 5x y\n");
  assert.equal(
    syntax.kind === "refused" ? syntax.line : "",
    "STREAM: Reload: Parse error on line 3: 'Expected a top-level value to end with a new line, comment or EOF, but got " +
      "'y' instead.'",
  );
  const value = reload("", "authorization { users: [{ nkey: U }] }\n");
  assert.equal(
    value.kind === "refused" ? value.line : "",
    "STREAM: Reload: r.conf:3:27: Not a valid public nkey for a user",
  );
  const whole = reload("", "max_payload: 100MB\n");
  assert.match(
    whole.kind === "refused" ? whole.line : "",
    /^STREAM: Reload: max_payload \(104857600\) cannot be higher than/,
  );
});

Deno.test("warnings are not fatal, also with -sc alone", () => {
  const result = reload("", "write_deadline: 3\n", [], "-sc");
  assert.equal(result.kind, "applied");
});

Deno.test("flags are applied on top again", () => {
  const result = reload("", "port: 5\ndebug: true\n", ["-p", "4222", "-D=false"]);
  assert.deepEqual(result.kind === "applied" ? result.lines : result, ALWAYS);
});

Deno.test("streaming options stay, with a warning", () => {
  const result = applied("", "streaming { id: y }\n");
  assert.equal(result.options.streaming.clusterId, "x");
  assert.deepEqual(result.warnings, [
    "STREAM: Reload: the change of the streaming options (clusterId) takes effect with the next start",
  ]);
});

Deno.test("our own connections get the new credentials", () => {
  const { options } = applied("", "streaming { id: y, user: a, pass: b, token: t }\n");
  const { clusterId, username, password, token } = options.streaming;
  assert.deepEqual([clusterId, username, password, token], ["x", "a", "b", "t"]);
});

Deno.test("new users are in the options to use", () => {
  const result = applied("", "authorization { users: [{ user: a, password: b }] }\n");
  assert.deepEqual(result.options.nats.users, [{ user: "a", password: "b" }]);
  assert.ok(result.changed.includes("users"));
});
