/** Where lines for syslog go, and what is said of addresses that cannot be (spec cli-config-monitoring, section 3.2). */
import assert from "node:assert/strict";
import { defaultOptions } from "./defaults.ts";
import type { NatsOptions } from "./nats_options.ts";
import { syslogTarget } from "./syslog_target.ts";

function target(nats: Partial<NatsOptions>): ReturnType<typeof syslogTarget> {
  return syslogTarget({ ...defaultOptions().nats, ...nats });
}

Deno.test("a log file comes before a remote syslog, and that before the local one", () => {
  assert.equal(target({}), undefined);
  assert.deepEqual(target({ syslog: true }), { network: "local" });
  assert.deepEqual(target({ syslog: true, remoteSyslog: "udp://h:514" }), { network: "udp", host: "h", port: 514 });
  assert.equal(target({ syslog: true, remoteSyslog: "udp://h:514", logFile: "x.log" }), undefined);
});

Deno.test("addresses of remote syslog", () => {
  assert.deepEqual(target({ remoteSyslog: "tcp://[::1]:601" }), { network: "tcp", host: "::1", port: 601 });
  assert.deepEqual(target({ remoteSyslog: "tcp://:601" }), { network: "tcp", host: "localhost", port: 601 });
  assert.deepEqual(target({ remoteSyslog: "unix:///run/log" }), { network: "unix", path: "/run/log" });
});

const mistakes: readonly [address: string, text: string][] = [
  ["foo://127.0.0.1:9988", 'error invalid network type: "foo"'],
  ["127.0.0.1:9988", 'parse "127.0.0.1:9988": first path segment in URL cannot contain colon'],
  ["udp://127.0.0.1", 'error connecting to syslog: "dial udp: address 127.0.0.1: missing port in address"'],
  ["tcp://a:b", 'parse "tcp://a:b": invalid port ":b" after host'],
  ["%zz", 'parse "%zz": invalid URL escape "%zz"'],
];

for (const [address, message] of mistakes) {
  Deno.test(`${address} is no address of a syslog server`, () => {
    assert.throws(() => target({ remoteSyslog: address }), { name: "ConfigError", message });
  });
}
