/** Every directory that the reference wrote opens with the content that the reference finds in it, or fails with its error. */
import assert from "node:assert/strict";
import { MsgProto } from "../../protocol/client_messages.ts";
import { type MessageLog, type RecoveredState, type Store, StoreFailed } from "../../ports/store.ts";
import { RecordingLog } from "../../../tests/support/recording_log.ts";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import { VirtualClock } from "../../../tests/support/virtual_clock.ts";
import type { MemoryFiles } from "../../../tests/support/memory_files.ts";
import {
  contents,
  copyOfFixture,
  type Fixture,
  type FixtureCase,
  type FixtureChannel,
  fixtureNames,
  type FixtureState,
  follow,
  limitsOf,
  readFixture,
  sha256,
  stateOf,
} from "../../../tests/support/store_fixtures.ts";
import { openFileStore } from "./opening.ts";
import { encrypted } from "../encrypted_store.ts";

/** Where this store knowingly does better than the reference (spec stores, section 3.12), by fixture and case. */
const better: Readonly<Record<string, string>> = {
  "mini-idx-header-only-dat-torn/truncate_bad_eof": "the data file is repaired, not the index",
  "encrypted-aes/wrong key": "refused at the start",
  "encrypted-chacha/wrong key": "refused at the start",
  "encrypted-mixed/wrong key": "refused at the start",
};

/** Log lines of these cases name the wrong file in the reference. */
const otherLog = new Set(["mini-idx-header-only-dat-torn/default"]);

const names = fixtureNames();

Deno.test({ name: "store fixtures are on this machine", ignore: names.length === 0, fn() {} });

for (const name of names) {
  const fixture = readFixture(name);
  for (const one of fixture.cases) {
    if (`${name}/${one.name}` in better) continue;
    Deno.test(`fixture ${name}: ${one.name}`, () => check(fixture, one));
  }
}

for (const name of names.filter((each) => each.startsWith("encrypted-"))) {
  Deno.test(`fixture ${name}: a wrong key is refused at the start`, async () => {
    const one = readFixture(name).cases.find((each) => each.name === "wrong key")!;
    const store = open(copyOfFixture(name), one, new RecordingLog());
    await assert.rejects(async () => await store.recover(), {
      code: "corrupt",
      message:
        /^the encryption key is not the one .*channel ".*", message \d+: (cipher|chacha20poly1305): message authentication failed/,
    });
    await store.close();
  });
}

Deno.test({
  name: "fixture mini-idx-header-only-dat-torn: truncate_bad_eof repairs the data file",
  ignore: names.length === 0,
  async fn() {
    const fixture = readFixture("mini-idx-header-only-dat-torn");
    const files = copyOfFixture(fixture.fixture);
    const store = open(files, fixture.cases.find((each) => each.name === "truncate_bad_eof")!, new RecordingLog());
    const { first, last, count } = (await store.recover())!.channels.get("mini")!.store.messages;
    assert.deepEqual([first, last, count], [1, 9, 9]);
    await store.close();
    assert.equal(contents(files, "/data").get("mini/msgs.1.idx")!.length, 4 + 9 * 32);
  },
});

async function check(fixture: Fixture, one: FixtureCase): Promise<void> {
  const files = copyOfFixture(fixture.fixture);
  if (one.name.includes("idx file removed first")) {
    for (const channel of ["foo", "kill"]) files.remove(`/data/${channel}/msgs.1.idx`);
  }
  const before = hashes(files);
  const log = new RecordingLog();
  let store: Store | undefined;
  try {
    store = open(files, one, log);
    const state = await store.recover();
    assert.equal(one.outcome, "ok", "the reference fails here");
    await checkState(state, stateOf(fixture, one));
  } catch (error) {
    if (!(error instanceof StoreFailed) || one.outcome === "ok") throw error;
    assert.equal(error.message, one.error!.replaceAll("<DIR>", "/data"));
  }
  await store?.close();
  checkLog(`${fixture.fixture}/${one.name}`, log.lines, one.log ?? []);
  checkFiles(before, hashes(files), one);
}

function open(files: MemoryFiles, one: FixtureCase, log: RecordingLog): Store {
  const { crc, crc_poly, truncate_bad_eof, encryption_cipher, encryption_key } = one.options ?? {};
  const random = new SeededRandom(1);
  const store = openFileStore({
    directory: "/data",
    crc: crc ?? true,
    crcPolynomial: crc_poly ?? 0xedb88320,
    truncateUnexpectedEof: truncate_bad_eof ?? false,
    limits: limitsOf(one),
  }, { files, clock: new VirtualClock(1_900_000_000_000_000_000n), log, random });
  if (encryption_key === undefined) return store;
  return encrypted(store, { key: new TextEncoder().encode(encryption_key), cipher: encryption_cipher!, random });
}

async function checkState(state: RecoveredState | undefined, expected: FixtureState | null | undefined): Promise<void> {
  if (expected === null || expected === undefined) return assert.equal(state, undefined);
  assert.ok(state !== undefined);
  const server = follow(expected.server, (other) => other.server);
  assert.deepEqual(state.info, {
    clusterId: server.ClusterID,
    discovery: server.Discovery,
    publish: server.Publish,
    subscribe: server.Subscribe,
    unsubscribe: server.Unsubscribe,
    close: server.Close,
    subClose: server.SubClose,
    acksSubs: server.AcksSubs,
    nodeId: server.NodeID,
    clusterIdentity: "",
  });
  const clients = follow(expected.clients, (other) => other.clients);
  const found = state.clients.map((client) => ({
    ID: client.id,
    HbInbox: client.heartbeatInbox,
    ConnID_b64: btoa(String.fromCharCode(...client.connId)),
    Protocol: client.protocol,
    PingInterval: client.pingInterval,
    PingMaxOut: client.pingMaxOut,
  }));
  assert.deepEqual(sorted(found, "ID"), sorted(clients as typeof found, "ID"));
  const channels = follow(expected.channels, (other) => other.channels) as Record<string, FixtureChannel>;
  assert.deepEqual([...state.channels.keys()].sort(), Object.keys(channels).sort());
  for (const [name, part] of Object.entries(channels)) {
    const channel = follow(part, (other) => follow(other.channels, (each) => each.channels)[name] as FixtureChannel);
    await checkChannel(state, name, channel);
  }
}

async function checkChannel(state: RecoveredState, name: string, expected: FixtureChannel): Promise<void> {
  const { store: { messages }, subscriptions } = state.channels.get(name)!;
  const { first, last, count, bytes } = messages;
  assert.deepEqual({ first, last, count, bytes }, {
    first: expected.first,
    last: expected.last,
    count: expected.count,
    bytes: expected.bytes,
  });
  for (const message of expected.messages) {
    const found = await lookup(messages, message.seq);
    if (message.lookup_error !== undefined) {
      assert.ok(typeof found === "string" && found.startsWith(message.lookup_error), `${found}`);
      assert.match(found, /file "\/data\/.*", offset \d+/);
    } else if (message.missing === true) assert.equal(found, undefined);
    else {
      assert.ok(typeof found === "object", `${name} ${message.seq}: ${found}`);
      assert.equal(found.subject, name);
      assert.equal(String(found.timestamp), message.ts);
      assert.equal(found.data.length, message.len);
      if (message.data_sha256 !== undefined) assert.equal(sha256(found.data), message.data_sha256);
      else assert.equal(btoa(String.fromCharCode(...found.data)), message.data_b64);
    }
  }
  const subs = subscriptions.map(({ state, pending }) => ({
    ID: state.id,
    clientID: state.clientId,
    qGroup: state.queueGroup,
    inbox: state.inbox,
    ackInbox: state.ackInbox,
    maxInFlight: state.maxInFlight,
    ackWaitInSecs: state.ackWaitInSecs,
    durableName: state.durableName,
    lastSent: state.lastSent,
    isDurable: state.isDurable,
    isClosed: state.isClosed,
    pending,
  }));
  const wanted = expected.subscriptions.map((sub) => {
    const { kind: _, ...rest } = sub as typeof sub & { kind: string };
    return rest;
  });
  assert.deepEqual(sorted(subs, "ID"), sorted(wanted, "ID"));
}

/** A message; `undefined` if there is none; the text of the error if it cannot be read. */
async function lookup(messages: MessageLog, sequence: number): Promise<MsgProto | string | undefined> {
  let found: MsgProto | undefined;
  try {
    await messages.read(sequence, sequence, 0, (at, buffer, start, end) => {
      assert.equal(at, sequence);
      found = MsgProto.decode(buffer, start, end);
      return true;
    });
  } catch (error) {
    if (!(error instanceof StoreFailed)) throw error;
    return error.message;
  }
  return found;
}

function checkLog(name: string, lines: readonly string[], expected: readonly string[]): void {
  if (otherLog.has(name)) return;
  const printable = (line: string) => line.replace(/[\u0080-\uffff]/g, ".").replaceAll("<DIR>", "/data").trimEnd();
  assert.deepEqual(lines.map(printable), expected.map(printable));
}

function hashes(files: MemoryFiles): Map<string, string> {
  return new Map([...contents(files, "/data")].map(([path, bytes]) => [path, `${bytes.length} ${sha256(bytes)}`]));
}

/** Only the lock file of the directory may be there in addition. */
function checkFiles(before: Map<string, string>, after: Map<string, string>, one: FixtureCase): void {
  const expected = new Map(before);
  for (const [path, image] of Object.entries(one.files_changed_after_open_and_close ?? {})) {
    if (image === null) expected.delete(path);
    else expected.set(path, `${image.size} ${image.sha256}`);
  }
  after.delete(".rootdir.lck");
  assert.deepEqual(new Map([...after].sort()), new Map([...expected].sort()));
}

function sorted<T extends object>(list: readonly T[], key: keyof T): T[] {
  return [...list].sort((a, b) => (a[key] < b[key] ? -1 : 1));
}
