/** The command line (spec cli-config-monitoring, sections 1 and 9: numbers in names are those of the scenarios). */
import assert from "node:assert/strict";
import { checkStart } from "./check_start.ts";
import { type CommandLineResult, parseCommandLine } from "./command_line.ts";
import type { Options } from "./options.ts";
import type { ConfigIo } from "./parser.ts";
import { usage } from "./usage.ts";
import { VERSION_LINE } from "./version.ts";

/** Files by path; variables by name. */
function world(files: Record<string, string> = {}, env: Record<string, string> = {}): ConfigIo {
  return {
    read: (path) => {
      const text = files[path];
      if (text === undefined) throw Object.assign(new Error("not there"), { code: "ENOENT" });
      return text;
    },
    env: (name) => env[name],
  };
}

function parse(args: string, io: ConfigIo = world()): CommandLineResult {
  return parseCommandLine(args === "" ? [] : args.split(" "), io);
}

function optionsOf(args: string, io: ConfigIo = world()): Options {
  const result = parse(args, io);
  assert.equal(result.kind, "run", result.kind === "exit" ? result.stderr + result.stdout : result.kind);
  return (result as { options: Options }).options;
}

function exits(args: readonly string[], code: number, stderr: string, stdout = "", io = world()): void {
  assert.deepEqual(parseCommandLine(args, io), { kind: "exit", code, stdout, stderr });
}

Deno.test("1: no arguments give a memory store on port 4222 of every address", () => {
  const { streaming, nats } = optionsOf("");
  assert.deepEqual([nats.host, nats.port, streaming.store, streaming.clusterId], [
    "0.0.0.0",
    4222,
    "MEMORY",
    "test-cluster",
  ]);
});

const syntaxMistakes: readonly [args: string, stderr: string][] = [
  ["-xxx", "flag provided but not defined: -xxx\n"],
  ["--xxx=5", "flag provided but not defined: -xxx\n"],
  ["-p", "flag needs an argument: -p\n"],
  ["---p=1", "bad flag syntax: ---p=1\n"],
  ["-=1", "bad flag syntax: -=1\n"],
  ["--=x", "bad flag syntax: --=x\n"],
  ["-p abc", 'invalid value "abc" for flag -p: parse error\n'],
  ["--port abc", 'invalid value "abc" for flag -port: parse error\n'],
  ["-p 1_", 'invalid value "1_" for flag -p: parse error\n'],
  ["-p 08", 'invalid value "08" for flag -p: parse error\n'],
  ["-hbi 10", 'invalid value "10" for flag -hbi: parse error\n'],
  ["-mc 99999999999999999999", 'invalid value "99999999999999999999" for flag -mc: value out of range\n'],
  ["-D=maybe", 'invalid boolean value "maybe" for -D: parse error\n'],
];

for (const [args, stderr] of syntaxMistakes) {
  Deno.test(`2 to 6: ${args} is a mistake: help on stdout, exit code 0`, () =>
    exits(args.split(" "), 0, stderr, usage()));
}

Deno.test("7: booleans take no value behind a blank", () => {
  exits(["-D", "false"], 1, 'unrecognized command: "false"\n');
  exits(["--clustered", "true"], 1, 'unrecognized command: "true"\n');
});

Deno.test("8: words and the end of flags", () => {
  assert.equal(parse("--").kind, "run");
  exits(["--", "help"], 0, "", usage());
  exits(["HELP"], 0, "", usage());
  exits(["version"], 0, "", `${VERSION_LINE}\n`);
  exits(["-v"], 0, "", `${VERSION_LINE}\n`);
  exits(["-help", "-version"], 0, "", `${VERSION_LINE}\n`);
  exits(["-help_tls", "-h"], 0, "", usage());
  exits(["-"], 1, 'unrecognized command: "-"\n');
});

Deno.test("9: a size that is none", () => {
  exits(["-mb", "12abc"], 1, "mb should be a size, got '12abc'\n");
  exits(["-mb", ""], 1, "mb should be a size, got ''\n");
  exits(["-mb=0x10"], 1, "mb should be a size, got '0x10'\n");
  exits(
    ["-max_bytes", "10 kb"],
    1,
    "Parse error on line 1: 'Expected a top-level value to end with a new line, comment or EOF, but got 'k' instead.'\n",
  );
});

Deno.test("10: sizes are applied in the order of their names; integers take Go's prefixes", () => {
  assert.equal(optionsOf("-max_bytes 1kb -mb 2kb").streaming.limits.maxBytes, 2048);
  assert.equal(optionsOf("-mb 2kb -max_bytes 1kb").streaming.limits.maxBytes, 2048);
  for (const text of ["0x5C63", "0o56143", "056143", "0b101110001100011", "23_651", "+23651"]) {
    assert.equal(optionsOf(`-p ${text}`).nats.port, 23651, text);
  }
});

Deno.test("11: -t needs -c and does not end the process", () => {
  exits(["-t"], 1, "must specify [-c, --config] option to check configuration file syntax\n");
  assert.equal(parse("-t -c good.conf", world({ "good.conf": "port: 4222\n" })).kind, "run");
});

const startErrors: readonly [args: string, line: string | undefined][] = [
  ["-store xyz", "STREAM: Failed to start: unsupported store type: XYZ"],
  ["-store file", "STREAM: Failed to start: for FILE stores, root directory must be specified"],
  ["-mc -1", "STREAM: Failed to start: max channels limit cannot be negative (-1)"],
  ["-ma -1s", "STREAM: Failed to start: max age limit cannot be negative (-1s)"],
  ["-mi -1h", "STREAM: Failed to start: max inactivity limit cannot be negative (-1h0m0s)"],
  ["-encrypt", "STREAM: Failed to start: encryption key required"],
  ["-encryption_key k -encryption_cipher des", "STREAM: Failed to start: encryption cipher not supported"],
  ["-ft_group a", "STREAM: Failed to start: ft: only FILE or SQL stores supported in FT mode"],
  ["-cid a*", undefined],
  ["-cid *", "STREAM: Failed to start: could not subscribe to discover subject: nats: invalid subject"],
  ["-cid a..b", "STREAM: Failed to start: could not subscribe to discover subject: nats: invalid subject"],
  ["-store sql -sql_driver foo", 'STREAM: Failed to start: sql: unknown driver "foo" (forgotten import?)'],
  [
    "-store file -dir d -file_compact_frag 0",
    "STREAM: Failed to start: compact fragmentation value must at least be 1",
  ],
  ["-store file -dir d -file_crc_poly 0", "STREAM: Failed to start: crc polynomial should be between 1 and 4294967295"],
  ["-store file -dir d -file_slice_max_age -1s", "STREAM: Failed to start: slice max values must be positive numbers"],
  ["-file_parallel_recovery 0", undefined],
  ["-ns localhost:4222", "STREAM: Failed to start: malformed url: localhost:4222"],
  ["-ns nats://127.0.0.1", "STREAM: Failed to start: address 127.0.0.1: missing port in address"],
  ["-ns nats://a,nats://b", undefined],
  ["-m 1 -ms 2", "Can't start monitoring: can't specify both HTTP (1) and HTTPs (2) ports"],
  ["-js", "STREAM: Failed to start: JetStream is not supported; remove -js and jetstream"],
  [
    "-clustered -store file -dir d -cluster_log_snapshots 0",
    "STREAM: Failed to start: must retain at least one snapshot",
  ],
  [
    "-clustered -store file -dir d -cluster_node_id a -cluster_peers b,b",
    "STREAM: Failed to start: found duplicate ID in configuration: b",
  ],
];

for (const [args, line] of startErrors) {
  Deno.test(`12: ${args} ${line === undefined ? "may start" : "is refused at start"}`, () => {
    assert.equal(checkStart(optionsOf(args))?.line, line);
  });
}

Deno.test("13: clustering with the memory store, in any letter case, is refused on stdout", () => {
  for (const args of [["-clustered"], ["-clustered", "-store", "memory"]]) {
    exits(args, 1, "", "stan: clustering mode not supported with MEMORY store type\n");
  }
});

const natsFlagErrors: readonly [args: string, stderr: string][] = [
  ["-tls_client_cacert ca.pem", "TLS Server certificate must be present and valid\n"],
  ["-tls", "TLS Server certificate must be present and valid\n"],
  ["-tlsverify", "TLS Server certificate must be present and valid\n"],
  ["-tlscert a", "TLS Server private key must be present and valid\n"],
  ["-tlscert a -tlskey b", "error parsing X509 certificate/key pair: open a: no such file or directory\n"],
  ["-routes nats://h:1", "solicited routes require cluster capabilities, e.g. --cluster\n"],
  ["-cluster nats://127.0.0.1", "address 127.0.0.1: missing port in address\n"],
  ["-cluster nats://", "missing port in address\n"],
  ["-cluster nats://user@127.0.0.1:6222", "expected cluster password to be set\n"],
  ["-cluster 127.0.0.1:6222", 'parse "127.0.0.1:6222": first path segment in URL cannot contain colon\n'],
  ["-cluster nats://a:b:c", 'parse "nats://a:b:c": invalid port ":c" after host\n'],
  ["-cluster %zz", 'parse "%zz": invalid URL escape "%zz"\n'],
];

for (const [args, stderr] of natsFlagErrors) {
  Deno.test(`14, 15: ${args} is refused`, () => exits(args.split(" "), 1, stderr));
}

Deno.test("routing by flags", () => {
  const { nats } = optionsOf("-cluster nats://a:b%40c@127.0.0.1:6222 -routes nats://x:1,nats://y:2");
  assert.deepEqual([nats.cluster.host, nats.cluster.port], ["127.0.0.1", 6222]);
  assert.deepEqual([nats.cluster.user, nats.cluster.password], ["a", "b@c"]);
  assert.deepEqual(nats.routes, ["nats://x:1", "nats://y:2"]);
});

Deno.test("an empty -cluster switches the routing of the file off", () => {
  const io = world({ "a.conf": "cluster { listen: 127.0.0.1:6222 }\nstreaming {}\n" });
  assert.equal(optionsOf("-c a.conf", io).nats.cluster.port, 6222);
  assert.equal(optionsOf("-c a.conf -cluster=", io).nats.cluster.port, 0);
});

Deno.test("-tls=false removes the TLS of the file", () => {
  const pem = { "c.pem": "-----BEGIN CERTIFICATE-----\n", "k.pem": "-----BEGIN PRIVATE KEY-----\n" };
  const io = world({ ...pem, "a.conf": "tls { cert_file: c.pem, key_file: k.pem }\n" });
  assert.equal(optionsOf("-c a.conf", io).nats.tls?.certFile, "c.pem");
  assert.equal(optionsOf("-c a.conf -tls=false -tls_client_cacert c.pem", io).nats.tls, undefined);
  assert.equal(optionsOf("-tls -tlscert c.pem -tlskey k.pem -tlsverify", io).nats.tls?.verify, true);
});

Deno.test("of repeated flags and aliases the last one wins", () => {
  assert.equal(optionsOf("-p 1 --port=2 -p 3").nats.port, 3);
  assert.equal(optionsOf("-p 1 -p 3 --port=2").nats.port, 2);
  assert.equal(optionsOf("-SD -stan_debug=false").streaming.debug, false);
  assert.equal(optionsOf("-stan_debug=false -SD").streaming.debug, true);
});

Deno.test("combined debug and trace flags", () => {
  const all = optionsOf("-DV -SDV");
  assert.deepEqual([all.nats.debug, all.nats.trace, all.streaming.debug, all.streaming.trace], [
    true,
    true,
    true,
    true,
  ]);
  const io = world({ "a.conf": "streaming { sd: true, sv: true }\ntrace_verbose: true\n" });
  const off = optionsOf("-c a.conf -SDV=false", io);
  assert.deepEqual([off.streaming.debug, off.streaming.trace, off.nats.trace], [false, false, true]);
  assert.equal(optionsOf("-DVV").nats.traceVerbose, true);
});

Deno.test("-clustered=false beats the cluster group of the file", () => {
  const io = world({ "a.conf": "streaming { store: file, dir: d, cluster {} }\n" });
  assert.equal(optionsOf("-c a.conf", io).streaming.cluster.clustered, true);
  assert.equal(optionsOf("-c a.conf -clustered=false", io).streaming.cluster.clustered, false);
});

Deno.test("peers: split, trimmed, without the own id; those of the file win", () => {
  const base = "-clustered -store file -dir d -cluster_node_id a";
  const { cluster } = parseCommandLineOptions([...base.split(" "), "-cluster_peers", "a, b ,c"]).streaming;
  assert.deepEqual(cluster.peers, ["b", "c"]);
  const io = world({ "a.conf": 'streaming { cluster { peers: ["a", "x"] } }\n' });
  assert.deepEqual(optionsOf(`${base} -cluster_peers b -c a.conf`, io).streaming.cluster.peers, ["x"]);
});

function parseCommandLineOptions(args: readonly string[]): Options {
  const result = parseCommandLine(args, world());
  assert.equal(result.kind, "run");
  return (result as { options: Options }).options;
}

Deno.test("the environment's encryption key wins where encryption is on, and does not switch it on", () => {
  const env = { NATS_STREAMING_ENCRYPTION_KEY: "of the environment" };
  assert.equal(optionsOf("", world({}, env)).streaming.encryptionKey, null);
  assert.equal(optionsOf("", world({}, env)).streaming.encrypt, false);
  assert.equal(optionsOf("-encryption_key flag", world({}, env)).streaming.encryptionKey, "of the environment");
  assert.equal(optionsOf("-encrypt", world({}, env)).streaming.encryptionKey, "of the environment");
});

Deno.test("35: an empty file is a warning with -c and fatal with -sc or -t", () => {
  const io = world({ "empty.conf": "" });
  const result = parse("-c empty.conf", io);
  assert.equal(result.kind === "run" ? result.stderr : "", "empty.conf: config has no values or is empty\n");
  exits(["-sc", "empty.conf"], 1, "empty.conf: config has no values or is empty\n\n", "", io);
  exits(["-t", "-c", "empty.conf"], 1, "empty.conf: config has no values or is empty\n\n", "", io);
});

Deno.test("37: a NATS cluster block alone does not switch streaming clustering on; an empty one and node_id do", () => {
  const clustered = (text: string, args = "-c n.conf -sc a.conf") =>
    optionsOf(args, world({ "a.conf": `store: file\ndir: d\n${text}`, "n.conf": "port: 1\n" })).streaming.cluster
      .clustered;
  for (const key of ["listen: 6222", "host: a", "port: 6222", "routes: []", "name: x", "Listen: 6222"]) {
    assert.equal(clustered(`cluster { ${key} }\n`), false, key);
    assert.equal(clustered(`cluster { ${key} }\n`, "-c a.conf"), false, key);
    const inside = world({ "a.conf": `streaming { store: file, dir: d, cluster { ${key} } }\n` });
    assert.equal(optionsOf("-c a.conf", inside).streaming.cluster.clustered, true, key);
  }
  assert.equal(clustered("cluster {}\n"), true);
  assert.equal(clustered("cluster { node_id: a }\n"), true);
});

Deno.test("43: files that are not there", () => {
  const io = world({ "good.conf": "port: 1\n" });
  exits(["-c", "nofile.conf"], 1, "open nofile.conf: no such file or directory\n", "", io);
  exits(["-sc", "nofile.conf"], 1, "open nofile.conf: no such file or directory\n", "", io);
  exits(
    ["-c", "good.conf", "-sc", "nofile.conf"],
    1,
    "error opening config file: open nofile.conf: no such file or directory\n",
    "",
    io,
  );
});

Deno.test("warnings printed before a later error stay", () => {
  const io = world({ "a.conf": "write_deadline: 2\nstreaming: 5\n" });
  const warning =
    'a.conf:1:0: invalid use of field "write_deadline": write_deadline should be converted to a duration\n';
  exits(["-c", "a.conf"], 1, `${warning}expected streaming section to be a map/struct, got 5\n`, "", io);
});

Deno.test("each part reads its own file when both are given", () => {
  const io = world({ "n.conf": "port: 5\nstreaming { id: other }\n", "s.conf": "port: 6\nstreaming { id: stan }\n" });
  const { nats, streaming } = optionsOf("-c n.conf -sc s.conf", io);
  assert.deepEqual([nats.port, streaming.clusterId, nats.configFile], [5, "stan", "n.conf"]);
});

Deno.test("unknown streaming keys warn, with where they belong; NATS keys and variables do not", () => {
  const io = world({
    "a.conf":
      "size: 3\nstreaming { cluster_size: $size, max_msgs: 5\n store_limits { n: 1, max_subs: $n } }\nport: 1\n",
    "flat.conf": "port: 1\nid: x\nwrong: 2\ncluster { listen: 6222 }\ntls {}\n",
  });
  const combined = parse("-c a.conf", io);
  assert.deepEqual(combined.kind === "run" ? combined.warnings : [], [
    'a.conf:2:13: unknown streaming option "cluster_size" is ignored',
    'a.conf:2:34: unknown streaming option "max_msgs" is ignored; it belongs into its store_limits group',
  ]);
  const flat = parse("-c flat.conf", io);
  assert.deepEqual(flat.kind === "run" ? flat.warnings : [], [
    'flat.conf:3:1: unknown streaming option "wrong" is ignored',
  ]);
});

Deno.test("49: requests to signal a server", () => {
  const io = world({ "f.pid": "42", "bad.pid": "42\n" });
  exits(["-sl", "bogus=1"], 1, 'unknown signal "bogus"\n');
  exits(["-sl", "stop=abc"], 1, "invalid pid: abc\n");
  exits(["-sl", "bogus=abc"], 1, "invalid pid: abc\n");
  exits(["-sl", "stop=1=2"], 1, "invalid signal parameters: [2]\n");
  exits(["-sl", "stop=bad.pid"], 1, "invalid pid: bad.pid\n", "", io);
  assert.deepEqual(parse("-sl quit=f.pid", io), {
    kind: "signal",
    command: "quit",
    signal: "SIGINT",
    pid: 42,
    target: "f.pid",
  });
  assert.deepEqual(parse("--signal=stop", io), {
    kind: "signal",
    command: "stop",
    signal: "SIGKILL",
    pid: undefined,
    target: "",
  });
  assert.equal(parse("-sl=").kind, "run");
});

Deno.test("the effective values of the NATS part", () => {
  const { nats, streaming } = optionsOf("-user a -pass b");
  assert.deepEqual(
    [
      nats.maxPayload,
      nats.maxPending,
      nats.maxControlLine,
      nats.pingInterval,
      nats.pingMax,
      nats.writeDeadline,
      nats.authTimeout,
    ],
    [1048576, 67108864, 4096, 120_000, 2, 10_000, 2],
  );
  assert.deepEqual(
    [streaming.cluster.raftHeartbeatTimeout, streaming.cluster.sync],
    [0, undefined],
    "left to the journal",
  );
});
