/** The streaming pages as functions of the state (spec cli-config-monitoring, section 5.2). */
import assert from "node:assert/strict";
import fc from "fast-check";
import { emptyState } from "../streaming/mod.ts";
import { type Monitored, streamingPage } from "./monitoring.ts";

const limits = { max_channels: 1, max_msgs: 2, max_bytes: 3, max_age: 4, max_subscriptions: 5, max_inactivity: 6 };

/** A server with these channels, a client of the same name each, and nothing else. */
function server(names: readonly string[], change: Partial<Monitored> = {}): Monitored {
  const streaming = emptyState();
  for (const name of names) {
    streaming.channels.set(name, { name, subscriptions: new Map() } as never);
    streaming.clients.set(name, { id: name, heartbeatInbox: `hb.${name}`, subscriptions: new Set() } as never);
  }
  return {
    clusterId: "cid",
    serverId: "sid",
    version: "0.25.6",
    runtime: "test",
    state: "STANDALONE",
    now: 0n,
    startTime: 0n,
    storeType: "MEMORY",
    limits,
    traffic: { inMessages: 1, inBytes: 2, outMessages: 3, outBytes: 4 },
    files: { open: 0, max: 0 },
    streaming,
    stores: new Map(),
    ...change,
  };
}

// deno-lint-ignore no-explicit-any
function page(path: string, monitored: Monitored): any {
  const [name, query] = path.split("?");
  const answer = streamingPage(`/streaming/${name}`, new URLSearchParams(query), monitored)!;
  return answer.status === 200 ? JSON.parse(answer.body) : answer;
}

Deno.test("names are sorted by their bytes", () => {
  const names = ["b", "B", "a.b", "a", "\u{1F600}", "\uFF5E", "é", "a-b"];
  const sorted = ["B", "a", "a-b", "a.b", "b", "é", "\uFF5E", "\u{1F600}"];
  assert.deepEqual(page("channelsz", server(names)).names, sorted);
  assert.deepEqual(page("clientsz", server(names)).clients.map(({ id }: { id: string }) => id), sorted);
});

Deno.test("any paging gives the part that was asked for, and odd values mean the default", () => {
  const names = Array.from({ length: 30 }, (_, i) => `c${String(i).padStart(2, "0")}`);
  const number = fc.oneof(fc.integer({ min: -5, max: 40 }).map(String), fc.constantFrom("", "x", "1.5", "0x1", " 1"));
  fc.assert(fc.property(number, number, (offset, limit) => {
    const from = /^\d+$/.test(offset) ? Number(offset) : 0;
    const most = /^\d+$/.test(limit) && limit !== "0" ? Number(limit) : 1024;
    const query = `offset=${encodeURIComponent(offset)}&limit=${encodeURIComponent(limit)}`;
    const found = page(`channelsz?${query}`, server(names));
    const expected = names.slice(from, from + most);
    assert.deepEqual(
      [found.offset, found.limit, found.count, found.total, found.names ?? []],
      [from, most, expected.length, 30, expected],
    );
  }));
});

Deno.test("without anything, clients are an empty list and names are absent", () => {
  assert.deepEqual(page("clientsz", server([])).clients, []);
  for (const query of ["", "?subs=1"]) {
    const found = page(`channelsz${query}`, server([]));
    assert.equal("names" in found || "channels" in found, false);
  }
});

Deno.test("only subs=1 lists subscriptions", () => {
  for (const [value, listed] of [["1", true], ["+1", true], ["01", true], ["true", false], ["2", false], ["", false]]) {
    const found = page(`channelsz?subs=${encodeURIComponent(String(value))}`, server(["a"]));
    assert.equal("channels" in found, listed, String(value));
  }
});

Deno.test("a member of a group is shown with its own last sequence, an empty durable group with its last owner", () => {
  const group = { name: "dur:group", lastSent: 9, placeholder: undefined as unknown };
  const member = {
    clientId: "me",
    formerClientId: "",
    inbox: "in",
    ackInbox: "ack",
    durableName: "",
    group,
    isDurable: true,
    offline: false,
    maxInFlight: 2,
    ackWaitInSecs: 30,
    lastSent: 7,
    pending: new Map([[6, 0], [7, 0]]),
  };
  const monitored = server(["foo"]);
  const { subscriptions } = monitored.streaming.channels.get("foo")!;
  subscriptions.set(1, member as never);
  const shown = () => page("channelsz?channel=foo&subs=1", monitored).subscriptions[0];
  assert.deepEqual(shown(), {
    client_id: "me",
    inbox: "in",
    ack_inbox: "ack",
    queue_name: "dur:group",
    is_durable: true,
    is_offline: false,
    max_inflight: 2,
    ack_wait: 30,
    last_sent: 7,
    pending_count: 2,
    is_stalled: true,
  });
  Object.assign(member, { clientId: "", formerClientId: "me", offline: true, pending: new Map() });
  group.placeholder = member;
  assert.deepEqual([shown().client_id, shown().last_sent, shown().is_stalled], ["me", 9, false]);
});

Deno.test("unknown names are told, and unknown pages are none", () => {
  assert.deepEqual([page("clientsz?client=x", server([])).status, page("clientsz?client=x", server([])).body], [
    404,
    "Client x not found\n",
  ]);
  assert.equal(page("channelsz?channel=x", server([])).body, "Channel x not found\n");
  assert.equal(streamingPage("/streaming/", new URLSearchParams(), server([])), undefined);
});

Deno.test("role and node id are there when clustered, file figures where they are known", () => {
  const keys = Object.keys(page("serverz", server([], { role: "Leader", nodeId: "a", files: { open: 3, max: 9 } })));
  assert.deepEqual(keys.slice(4, 8), ["state", "role", "node_id", "now"]);
  assert.deepEqual(keys.slice(-2), ["open_fds", "max_fds"]);
  assert.deepEqual(Object.keys(page("serverz", server([]))).slice(-1), ["out_bytes"]);
});

Deno.test("only the active server of a group is active", () => {
  for (const state of ["STANDALONE", "CLUSTERED", "FT_STANDBY", "FAILED", "SHUTDOWN"]) {
    assert.equal(streamingPage("/streaming/isFTActive", new URLSearchParams(), server([], { state }))!.status, 204);
  }
  const active = streamingPage("/streaming/isFTActive", new URLSearchParams(), server([], { state: "FT_ACTIVE" }))!;
  assert.deepEqual([active.status, active.body], [200, ""]);
});
