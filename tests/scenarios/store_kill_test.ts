/** A real process that stores messages is killed, again and again: what it said was flushed is there. */
import assert from "node:assert/strict";
import { silentLog } from "../../src/ports/log.ts";
import { openFileStore } from "../../src/store/mod.ts";
import { systemClock, systemFiles, systemRandom } from "../../src/system/mod.ts";
import { messagesOf, start, textOf } from "../support/store_messages.ts";
import { payloadOf } from "../support/store_writer.ts";

/** More rounds, for a longer look: the environment variable `STORE_KILL_ROUNDS`. */
const rounds = Number(Deno.env.get("STORE_KILL_ROUNDS") ?? 12);
const writer = new URL("../support/store_writer.ts", import.meta.url);

/** Runs the writer until it has said `lines` times what it flushed, and kills it. Answers the last sequence it named. */
async function writeAndKill(directory: string, sync: string, lines: number): Promise<number> {
  const args = ["run", "-A", "--no-check", "--quiet", writer.pathname, directory, sync];
  const child = new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "inherit" }).spawn();
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    text += decoder.decode(chunk, { stream: true });
    if (text.split("\n").length > lines) {
      child.kill("SIGKILL");
      lines = Infinity;
    }
  }
  await child.status;
  return Math.max(0, ...[...text.matchAll(/flushed (\d+)\n/g)].map((match) => Number(match[1])));
}

async function check(directory: string, flushed: number): Promise<number> {
  const ports = { files: systemFiles(), clock: systemClock(), random: systemRandom(), log: silentLog };
  const store = openFileStore({ directory }, ports);
  const { store: { messages }, subscriptions } = (await start(store)).channels.get("foo")!;
  assert.ok(messages.last >= flushed, `flushed ${flushed}, recovered ${messages.last}`);
  assert.deepEqual([messages.first, messages.count], [1, messages.last]);
  const from = Math.max(1, flushed - 2000);
  const found = await messagesOf(messages, from);
  found.forEach((message, i) => {
    assert.equal(message.sequence, from + i);
    assert.equal(textOf(message), payloadOf(message.sequence));
  });
  const [{ state, pending } = { state: undefined, pending: [] }] = subscriptions;
  assert.ok(state!.lastSent >= flushed);
  // The writer acknowledges all but its newest message; a kill can leave one unacknowledged, and the next writer goes on behind it.
  assert.ok(pending.length <= rounds + 1, `${pending}`);
  await store.close();
  return messages.last;
}

for (const sync of ["sync", "nosync"]) {
  Deno.test(`a writer is killed ${rounds} times (${sync}): nothing that was flushed is lost`, async () => {
    const directory = await Deno.makeTempDir();
    try {
      let last = 0;
      for (let round = 0; round < rounds; round++) {
        const flushed = await writeAndKill(directory, sync, 1 + Math.floor(Math.random() * 30));
        assert.ok(flushed > last);
        last = await check(directory, flushed);
      }
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}
