import assert from "node:assert/strict";
import { clientInfo, type InfoParts } from "./client_info.ts";
import { infoFrame } from "../../wire/frames.ts";

const parts: InfoParts = {
  serverId: `N${"A".repeat(55)}`,
  serverName: "s".repeat(200),
  version: "2.9.24",
  options: { host: "10.0.0.1", port: 4222, tls: { verify: true }, cluster: { host: "10.0.0.1", port: 6222 } },
  port: 4222,
  maxPayload: 1_048_576,
  authRequired: true,
  cluster: { name: "c".repeat(256), peerUrls: [] },
  lameDuck: true,
};
const client = { id: 4_000_000_000, address: "fd00:1234:5678:9abc:def0:1234:5678:9abc", nonce: "AAAAAAAAAAAAAAA" };

Deno.test("INFO stays below 4096 bytes, which is as far as old clients look, however many servers there are", () => {
  for (const count of [0, 10, 100, 10_000]) {
    const peerUrls = Array.from({ length: count }, (_, i) => `a-server-with-a-long-name-${i}.example.com:4222`);
    const info = clientInfo({ ...parts, cluster: { ...parts.cluster, peerUrls } }, client) as {
      connect_urls?: string[];
    };
    const { length } = infoFrame(info);
    assert.ok(length < 4_096, `${length} bytes with ${count} servers`);
    assert.ok(count < 100 || info.connect_urls!.length > 40, `${info.connect_urls?.length} URLs`);
  }
});

Deno.test("INFO of a lame duck leaves out its own URLs, and repeats none", () => {
  const peerUrls = ["10.0.0.2:4222", "10.0.0.1:4222", "10.0.0.2:4222"];
  const urls = (lameDuck: boolean) =>
    (clientInfo({ ...parts, lameDuck, cluster: { name: "c", peerUrls } }, client) as { connect_urls: string[] })
      .connect_urls;
  assert.deepEqual(urls(false), ["10.0.0.1:4222", "10.0.0.2:4222"]);
  assert.deepEqual(urls(true), ["10.0.0.2:4222", "10.0.0.1:4222"]);
});
