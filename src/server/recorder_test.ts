import assert from "node:assert/strict";
import { MsgProto } from "../protocol/client_messages.ts";
import { openMemoryStore } from "../store/mod.ts";
import { Recorder } from "./recorder.ts";

const UNLIMITED = { maxSubscriptions: 0, maxMessages: 0, maxBytes: 0, maxAge: 0n, maxInactivity: 0n };

Deno.test("a channel's time does not go back where its messages have all expired", async () => {
  const store = openMemoryStore({ limits: { maxChannels: 0, global: UNLIMITED } });
  const recorder = new Recorder(store);
  await recorder.createChannel({ kind: "create channel", channel: "foo" });
  const fields = MsgProto.encode({ subject: "foo", data: new Uint8Array(3) });
  const bounds = new Int32Array([0, ...new Array<number>(4).fill(fields.length)]);
  const messages = { count: 1, bytes: fields, bounds };
  recorder.append({ kind: "publish", channel: "foo", time: 1_000n, messages }, 8, [], 5_000n);
  recorder.append({ kind: "publish", channel: "foo", time: 2_000n, messages }, 9, [], 0n);
  const times: bigint[] = [];
  await recorder.channels.get("foo")!.messages.read(8, 9, 1_000, (_, buffer, start, end) => {
    times.push(MsgProto.decode(buffer, start, end).timestamp);
    return true;
  });
  assert.deepEqual(times, [5_000n, 5_000n]);
});
