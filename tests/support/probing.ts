/** Runs probes of a NATS client port. */
import assert from "node:assert/strict";
import type { Probe } from "../scenarios/nats_probes.ts";
import { quietConnect, RawNatsClient } from "./raw_nats_client.ts";

/** Runs one probe on a fresh connection; `oneByOne`: every byte in a packet of its own. */
export async function runProbe(port: number, probe: Probe, oneByOne = false): Promise<void> {
  const client = await RawNatsClient.connect(port);
  const start = probe.connect === null ? "" : quietConnect(probe.connect ?? {});
  try {
    if (oneByOne) { for (const byte of start + probe.send) await client.send(byte); }
    const answer = await client.ask(oneByOne ? "" : start + probe.send);
    assert.equal(shortened(answer), shortened(probe.expect), probe.name);
    assert.equal(client.closed, probe.closes === true, `${probe.name}: ${client.closed ? "closed" : "open"}`);
  } finally {
    await client.close();
  }
}

function shortened(text: string): string {
  return text.length < 2_000 ? text : `${text.slice(0, 100)}…${text.length} bytes`;
}
