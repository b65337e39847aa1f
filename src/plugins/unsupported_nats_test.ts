import assert from "node:assert/strict";
import { type NatsOptions, parseCommandLine } from "../config/mod.ts";
import { ineffectiveNats, unsupportedNats } from "./unsupported_nats.ts";

function natsOf(text: string): NatsOptions {
  const parsed = parseCommandLine(["-c", "x.conf"], { read: () => text, env: () => undefined });
  assert.equal(parsed.kind, "run");
  return (parsed as { options: { nats: NatsOptions } }).options.nats;
}

const accounts = (more: string) =>
  `accounts { A { exports: [{ stream: "x.>" }] }, B { users: [{ user: b, password: b }], ${more} } }\n`;

Deno.test("what would misdirect messages is refused by name", () => {
  const refusals: [string, string | undefined][] = [
    ["port: 4222\n", undefined],
    [accounts(""), undefined],
    ["mappings { foo: bar }\n", '"mappings" is not supported by this server'],
    [accounts("mappings { foo: bar }"), '"mappings" of account "B" is not supported by this server'],
    [
      accounts('imports: [{ stream: { account: A, subject: "x.>" } }]'),
      '"imports" of account "B" is not supported by this server',
    ],
  ];
  for (const [text, refusal] of refusals) assert.equal(unsupportedNats(natsOf(text)), refusal, text);
});

Deno.test("settings without effect are named in a warning", () => {
  assert.deepEqual(ineffectiveNats(natsOf("port: 4222\n")), []);
  assert.equal(ineffectiveNats(natsOf("prof_port: 7\n")).length, 1);
  const tls = (what: string) => `tls { ${what} }\ncluster { port: 1, tls { ${what} } }\n`;
  const curves = ineffectiveNats(natsOf(tls("curve_preferences: [CurveP256]")));
  assert.deepEqual(curves.map((line) => line.split(" has ")[0]), [
    '"curve_preferences" of "tls"',
    '"curve_preferences" of "cluster.tls"',
  ]);
  assert.deepEqual(ineffectiveNats(natsOf(tls('cipher_suites: ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]'))), []);
  const old = ineffectiveNats(natsOf(tls('cipher_suites: ["TLS_RSA_WITH_AES_128_CBC_SHA"]')));
  assert.match(old[0]!, /"cipher_suites" of "tls" has no suite/);
});
