/** The help texts: every section and flag of the reference is there (spec cli-config-monitoring, section 1.1). */
import assert from "node:assert/strict";
import { HELP_SECTIONS } from "./option_row.ts";
import { tlsUsage, usage } from "./usage.ts";
import { VERSION_LINE } from "./version.ts";

/** Long names that the reference's help lists, by section. */
const listed: Readonly<Record<(typeof HELP_SECTIONS)[number], string>> = {
  "Streaming Server Options": "cluster_id store dir max_channels max_subs max_msgs max_bytes max_age max_inactivity " +
    "nats_server stan_config hb_interval hb_timeout hb_fail_count ft_group signal encrypt encryption_cipher encryption_key " +
    "replace_durable",
  "Streaming Server Clustering Options": "clustered cluster_node_id cluster_bootstrap cluster_peers cluster_log_path " +
    "cluster_log_cache_size cluster_log_snapshots cluster_trailing_logs cluster_sync cluster_raft_logging " +
    "cluster_allow_add_remove_node",
  "Streaming Server File Store Options":
    "file_compact_enabled file_compact_frag file_compact_interval file_compact_min_size " +
    "file_buffer_size file_crc file_crc_poly file_sync file_slice_max_msgs file_slice_max_bytes file_slice_max_age " +
    "file_slice_archive_script file_fds_limit file_parallel_recovery file_truncate_bad_eof file_read_buffer_size file_auto_sync",
  "Streaming Server SQL Store Options": "sql_driver sql_source sql_no_caching sql_max_open_conns sql_bulk_insert_limit",
  "Streaming Server TLS Options": "secure tls_client_key tls_client_cert tls_client_cacert",
  "Streaming Server Logging Options": "stan_debug stan_trace SDV syslog_name",
  "Embedded NATS Server Options": "addr port pid http_port https_port config",
  "Logging Options": "log logtime syslog remote_syslog debug trace DV",
  "Authorization Options": "user pass auth",
  "TLS Options": "tls tlscert tlskey tlsverify tlscacert",
  "NATS Clustering Options": "routes cluster",
  "Common Options": "help version help_tls",
};

Deno.test("help begins with a blank line and the usage, then the sections in their order", () => {
  const text = usage();
  assert.ok(text.startsWith("\nUsage: nats-streaming-server [options]\n\nStreaming Server Options:\n"));
  const titles = [...text.matchAll(/^(\S.* Options):$/gm)].map((match) => match[1]);
  assert.deepEqual(titles, [...HELP_SECTIONS]);
});

Deno.test("every section lists the flags of the reference, and no others", () => {
  for (const section of HELP_SECTIONS) {
    const body = usage().split(`\n${section}:\n`)[1]?.split("\n\n")[0] ?? "";
    const names = body.split("\n").filter((line) => line !== "").map((line) => {
      assert.match(line, /^ {4}(?:-\w+,)? *-{1,2}\w+/, line);
      return /--?(\w+)(?=[[ =]|$)/.exec(line.replace(/^ +-\w+, */, ""))?.[1];
    });
    assert.deepEqual(names.toSorted(), listed[section].split(" ").toSorted(), section);
  }
});

Deno.test("help names the default of what is on, or chosen, when nobody says anything", () => {
  const line = (flag: string) => usage().split("\n").find((each) => each.includes(`-${flag}`)) ?? "";
  assert.match(line("cluster_sync"), / \(default: true\)$/);
  assert.match(line("file_sync"), / \(default: true\)$/);
  assert.match(line("cluster_node_id"), / \(default: a random id\)$/);
  assert.match(line("cluster_log_path"), / \(default: \.raft in the store's folder\)$/);
  assert.ok(!line("cluster_raft_logging").includes("default"));
  assert.ok(!line("nats_server").includes("default"));
});

Deno.test("help of TLS shows a block, ciphers and curves", () => {
  const text = tlsUsage();
  for (
    const part of [
      "tls {",
      "cert_file:",
      "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
      "TLS_RSA_WITH_RC4_128_SHA",
      "CurveP521",
      "X25519",
    ]
  ) {
    assert.ok(text.includes(part), part);
  }
  assert.ok(text.indexOf("Available cipher suites") < text.indexOf("Available curve preferences"));
});

Deno.test("the version names both servers", () => {
  assert.equal(VERSION_LINE, "nats-streaming-server version 0.25.6, nats-server: v2.9.24");
});
