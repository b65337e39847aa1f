/**
 * A process that publishes one message after the other to one server and prints `acked <wall clock ms> <text>` for each
 * acknowledgement, on standard error. Usage: `lone_publisher.ts <url> <client id> <channel>`; runs until it is ended.
 */
import { StanClient } from "./stan_client.ts";

/** Milliseconds between two messages: it shall notice, not load. */
const PAUSE = 50;
const ACK_TIMEOUT = 1_000;

async function main(): Promise<void> {
  const [url = "", id = "", channel = ""] = Deno.args;
  let client: StanClient | undefined;
  for (let i = 0;; i++) {
    try {
      client ??= await connected(url, `${id}-${i}`, () => client = undefined);
      await client.publish(channel, `${id} ${i}`);
      console.error(`acked ${Date.now()} ${id} ${i}`);
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    } catch {
      // No leader that this server reaches: the next one may be acknowledged.
    }
  }
}

async function connected(url: string, id: string, onLost: () => void): Promise<StanClient> {
  const client = await StanClient.connect(url, id, {
    connectTimeout: 1_000,
    ackTimeout: ACK_TIMEOUT,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
  });
  void client.lost.then(onLost);
  return client;
}

if (import.meta.main) await main();
