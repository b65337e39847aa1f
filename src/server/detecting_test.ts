/** Another server of the same cluster id (spec streaming, section 9.3), in virtual time. */
import assert from "node:assert/strict";
import { MemoryNet } from "../../tests/support/memory_bus.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { VirtualClock } from "../../tests/support/virtual_clock.ts";
import { CloseRequest, ConnectRequest, ConnectResponse } from "../protocol/client_messages.ts";
import { Nuid } from "../protocol/nuid.ts";
import { serverInfo } from "../protocol/subjects.ts";
import { detectOther } from "./detecting.ts";

class World {
  readonly clock = new VirtualClock();
  readonly net = new MemoryNet(this.clock);
  readonly bus = this.net.connect("starting");
  readonly asked: string[] = [];

  /** Something that answers connect requests with these bytes, after a while. */
  answer(payload: Uint8Array, after = 0): void {
    const bus = this.net.connect("other");
    bus.subscribe("_STAN.discover.cid", (message) => {
      this.asked.push(ConnectRequest.decode(message.buffer, message.payloadStart, message.payloadEnd).clientId);
      const reply = message.buffer.slice(message.replyStart, message.replyEnd);
      this.clock.wakeAt(this.clock.now() + after, () => bus.publish(reply, payload));
    });
    bus.subscribe("closing", (message) => {
      const { clientId } = CloseRequest.decode(message.buffer, message.payloadStart, message.payloadEnd);
      this.asked.push(`close ${clientId}`);
      bus.publish(message.buffer.slice(message.replyStart, message.replyEnd), new Uint8Array(0));
    });
  }

  /** What the detection comes to, and how long it takes. */
  async detect(): Promise<string> {
    const begin = this.clock.now();
    let outcome: string | undefined;
    detectOther(this.bus, serverInfo("cid", "_STAN.discover", ""), new Nuid(new SeededRandom(1))).then(
      () => outcome = "nobody",
      (error: Error) => outcome = `${error.name}: ${error.message}`,
    );
    await this.clock.until(() => outcome !== undefined, 5_000);
    return `${outcome} after ${this.clock.now() - begin} ms`;
  }
}

const found = 'StartFailed: discovered another streaming server with cluster ID "cid"';

Deno.test("nobody is there", async () => {
  assert.equal(await new World().detect(), "nobody after 0 ms");
});

Deno.test("somebody listens and does not answer", async () => {
  const world = new World();
  world.net.connect("deaf").subscribe("_STAN.discover.cid", () => {});
  assert.equal(await world.detect(), "nobody after 250 ms");
});

Deno.test("another server that registers the probe is asked to forget it again", async () => {
  const world = new World();
  world.answer(ConnectResponse.encode({ closeRequests: "closing" }), 20);
  assert.equal(await world.detect(), `${found} after 20 ms`);
  assert.deepEqual(world.asked, ["cid", "close cid"]);
});

Deno.test("another server that refuses the probe is one as well", async () => {
  const world = new World();
  world.answer(ConnectResponse.encode({ error: "stan: clientID already registered" }));
  assert.equal(await world.detect(), `${found} after 0 ms`);
  assert.deepEqual(world.asked, ["cid"]);
});

Deno.test("an answer after the wait is too late", async () => {
  const world = new World();
  world.answer(ConnectResponse.encode({ closeRequests: "closing" }), 251);
  assert.equal(await world.detect(), "nobody after 250 ms");
});

Deno.test("an answer that is none is told", async () => {
  const world = new World();
  world.answer(Uint8Array.of(0x0a, 0xff));
  assert.match(await world.detect(), /^StartFailed: unmarshall error while detecting another server instance: /);
});

Deno.test("without a connection nothing can be said", async () => {
  const world = new World();
  world.bus.disconnect();
  assert.match(await world.detect(), /^StartFailed: request error detecting another server instance: /);
});
