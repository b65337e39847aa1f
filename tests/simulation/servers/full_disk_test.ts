/** One server whose disk fills up: publishers are refused with a reason, nothing acknowledged is lost, and it resumes by itself. */
import assert from "node:assert/strict";
import { MsgProto, PubAck, PubMsg } from "../../../src/protocol/client_messages.ts";
import { ConnectRequest } from "../../../src/protocol/client_messages.ts";
import { SoloJournal } from "../../../src/server/solo_journal.ts";
import { StreamingServer } from "../../../src/server/mod.ts";
import { openFileStore } from "../../../src/store/mod.ts";
import { DEFAULT_LIMITS } from "../../../src/streaming/mod.ts";
import { type MemoryBus, MemoryNet } from "../../support/memory_bus.ts";
import { MemoryFiles } from "../../support/memory_files.ts";
import { RecordingLog } from "../../support/recording_log.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { VirtualClock } from "../../support/virtual_clock.ts";

const text = new TextEncoder();

class Alone {
  readonly clock = new VirtualClock();
  readonly net = new MemoryNet(this.clock);
  readonly client: MemoryBus = this.net.connect("client");
  readonly log = new RecordingLog();
  fatal: string | undefined;
  #count = 0;

  async serve(files: MemoryFiles): Promise<StreamingServer> {
    const { clock, log } = this;
    const random = new SeededRandom(1);
    const store = openFileStore({ directory: "/data" }, { files, clock, log, random });
    assert.ok(await store.tryLock());
    const fail = (reason: string) => this.fatal = reason;
    const server = await StreamingServer.open(
      {
        settings: {
          clusterId: "alone",
          discoverPrefix: "_STAN.discover",
          clustered: false,
          replaceDurable: false,
          allowShortAckWait: false,
          batchMessages: 1024,
          limits: DEFAULT_LIMITS,
          heartbeatInterval: 30_000,
          heartbeatTimeout: 10_000,
          heartbeatFailCount: 10,
        },
        store,
        bus: this.net.connect("server"),
        clock,
        random,
        log,
        journal: () => new SoloJournal({ firstIndex: 1, onFatal: ({ message }) => fail(message) }),
        onFatal: fail,
      },
      "server",
      clock.wall(),
    );
    await this.#settled(server.start());
    return server;
  }

  async connect(): Promise<void> {
    const request = ConnectRequest.encode({ clientId: "me", heartbeatInbox: "hb" });
    await this.#settled(this.client.request("_STAN.discover.alone", request, 1_000));
  }

  /** Publishes everything in one turn; gives the error text of each. */
  async publish(...messages: readonly (readonly [channel: string, payload: string])[]): Promise<string[]> {
    const answers = messages.map(async ([channel, payload]) => {
      const guid = `g${++this.#count}`;
      const message = PubMsg.encode({ clientId: "me", guid, subject: channel, data: text.encode(payload) });
      const answer = await this.client.request(`_STAN.pub.alone.${channel}`, message, 5_000);
      return answer.kind === "reply" ? PubAck.decode(answer.payload).error : answer.kind;
    });
    return await this.#settled(Promise.all(answers));
  }

  async #settled<T>(promise: Promise<T>): Promise<T> {
    let isOver = false;
    promise.finally(() => isOver = true).catch(() => {});
    await this.clock.until(() => isOver, 60_000, "an answer");
    return await promise;
  }
}

function contents(server: StreamingServer, channel: string): string[] {
  const messages = server.recorder.channels.get(channel)!.messages;
  const found: string[] = [];
  messages.read(1, messages.last, Infinity, (sequence, buffer, start, end) => {
    found.push(`${sequence} ${new TextDecoder().decode(MsgProto.decode(buffer, start, end).data)}`);
    return true;
  });
  return found;
}

Deno.test("a full disk refuses publishes with a reason and takes them again when there is room; nothing acked is lost", async () => {
  const world = new Alone();
  const files = new MemoryFiles();
  const server = await world.serve(files);
  await world.connect();
  assert.deepEqual(await world.publish(["foo", "foo 1"], ["bar", "bar 1"]), ["", ""]);

  files.capacity = 0;
  // Files are filled ahead: what is larger than that finds no room.
  const large = "x".repeat(500_000);
  const refused = await world.publish(["foo", large], ["bar", large], ["new", large]);
  assert.ok(refused.every((error) => error !== ""), refused.join());
  assert.deepEqual([contents(server, "foo"), contents(server, "bar")], [["1 foo 1"], ["1 bar 1"]]);
  assert.equal(world.fatal, undefined);

  files.capacity = Infinity;
  assert.deepEqual(await world.publish(["foo", "foo 2"], ["bar", "bar 2"], ["new", "new 1"]), ["", "", ""]);
  assert.deepEqual(contents(server, "foo"), ["1 foo 1", "2 foo 2"]);

  const again = await world.serve(files.afterKill());
  assert.deepEqual(contents(again, "foo"), ["1 foo 1", "2 foo 2"]);
  assert.deepEqual(contents(again, "bar"), ["1 bar 1", "2 bar 2"]);
  assert.deepEqual(contents(again, "new"), ["1 new 1"]);
});

Deno.test("when the store is full for one channel of a batch the others' messages are stored, acked and not stored over", async () => {
  const world = new Alone();
  const files = new MemoryFiles();
  const server = await world.serve(files);
  await world.connect();
  assert.deepEqual(await world.publish(["foo", "foo 1"], ["bar", "bar 1"]), ["", ""]);

  files.onCall = ({ kind, path }) => kind === "write" && path.includes("/bar/msgs") ? { code: "full" } : undefined;
  const [foo, bar] = await world.publish(["foo", "foo 2"], ["bar", "bar 2"]);
  assert.equal(foo, "");
  assert.notEqual(bar, "");
  files.onCall = undefined;
  assert.deepEqual(await world.publish(["foo", "foo 3"], ["bar", "bar 3"]), ["", ""]);
  assert.deepEqual(contents(server, "foo"), ["1 foo 1", "2 foo 2", "3 foo 3"]);
  assert.deepEqual(contents(server, "bar"), ["1 bar 1", "2 bar 3"]);
  const again = await world.serve(files.afterKill());
  assert.deepEqual(contents(again, "foo"), ["1 foo 1", "2 foo 2", "3 foo 3"]);
  assert.deepEqual(contents(again, "bar"), ["1 bar 1", "2 bar 3"]);
});

Deno.test("a disk that fails ends the server, without an acknowledgement", async () => {
  const world = new Alone();
  const files = new MemoryFiles();
  await world.serve(files);
  await world.connect();
  assert.deepEqual(await world.publish(["foo", "foo 1"]), [""]);
  files.onCall = ({ kind }) => kind === "sync" ? { code: "other" } : undefined;
  const [error] = await world.publish(["foo", "foo 2"]);
  assert.notEqual(error, "");
  assert.notEqual(world.fatal, undefined);
});
