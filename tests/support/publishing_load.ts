/** Publishers at work on one channel while servers suffer, what became of their messages, and whether all of it is right. */
import assert from "node:assert/strict";
import { eventually } from "./deadline.ts";
import type { Received, StanClient } from "./stan_client.ts";

/** Messages a second of the publisher that does not wait. */
const STEADY_RATE = 300;

/** The channel that everybody publishes to. */
export const CHANNEL = "foo";

/** A message that was not acknowledged. */
export interface Failed {
  readonly text: string;
  readonly reason: string;
  /** When it was published and when that failed, milliseconds as `performance.now()` tells. */
  readonly published: number;
  readonly ended: number;
  /** The server that its publisher was connected to then, if any. */
  readonly server: string | undefined;
}

/** Publishers that wait for each acknowledgement, and one that keeps a rate. No text is published twice under one name. */
export class PublishingLoad {
  readonly acked = new Set<string>();
  readonly failed: Failed[] = [];
  /** Publishers whose connection was given up, and why. */
  readonly lost: string[] = [];
  /** When each acknowledgement came, milliseconds. */
  readonly #times: number[] = [];
  #stopped = false;
  /** Of each publisher, how many messages it has published and the last one that was acknowledged, counted from 0. */
  readonly #progress = new Map<string, { published: number; acked: number }>();
  /** Messages without an outcome so far. */
  readonly #outstanding = new Set<string>();
  readonly #workers: Promise<void>[] = [];

  readonly #rate: number;

  /** `rate`: messages a second of the steady one. */
  constructor(
    synchronous: readonly StanClient[],
    steady: StanClient,
    { name = "load", rate = STEADY_RATE }: { name?: string; rate?: number } = {},
  ) {
    this.#rate = rate;
    synchronous.forEach((client, i) => this.#workers.push(this.#oneByOne(client, `${name} s${i}`)));
    this.#workers.push(this.#steadily(steady, `${name} steady`));
  }

  /** The longest time without any acknowledgement since `from`, milliseconds. */
  gapSince(from: number): number {
    const times = [from, ...this.#times.filter((time) => time > from), performance.now()];
    return times.slice(1).reduce((longest, time, i) => Math.max(longest, time - times[i]!), 0);
  }

  /** Resolves when each publisher has got a message acknowledged that it publishes from now on. */
  async goesOn(): Promise<void> {
    await Promise.all([...this.#progress].map(([name, progress]) => {
      const { published } = progress;
      return eventually(() => {
        assert.deepEqual(this.lost, [], "publishers were given up");
        return progress.acked >= published || undefined;
      }, `an acknowledgement for the publisher ${name}`);
    }));
  }

  /** Resolves when every message that was published by now is acknowledged or given up. */
  async settled(): Promise<void> {
    const texts = [...this.#outstanding];
    await eventually(() => texts.every((text) => !this.#outstanding.has(text)) || undefined, "acknowledgements");
  }

  /** Publishes no more, and resolves when every message is acknowledged or given up. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#workers);
    await this.settled();
  }

  /** A client that the server has given up publishes nothing any more, and fails at once: that is told, and ends it. */
  #watch(client: StanClient, name: string): () => boolean {
    let isLost = false;
    void client.lost.then((reason) => {
      isLost = !this.#stopped;
      if (isLost) this.lost.push(`${name}: ${reason instanceof Error ? reason.message : reason}`);
    });
    return () => isLost;
  }

  async #oneByOne(client: StanClient, name: string): Promise<void> {
    const isLost = this.#watch(client, name);
    while (!this.#stopped && !isLost()) await this.#publish(client, name);
  }

  async #steadily(client: StanClient, name: string): Promise<void> {
    const isLost = this.#watch(client, name);
    const start = performance.now();
    for (let i = 0; !this.#stopped && !isLost(); i++) {
      void this.#publish(client, name);
      const due = start + i * 1_000 / this.#rate;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
    }
  }

  async #publish(client: StanClient, name: string): Promise<void> {
    const progress = this.#progress.get(name) ?? { published: 0, acked: -1 };
    this.#progress.set(name, progress);
    const number = progress.published++;
    const text = `${name} ${number}`;
    this.#outstanding.add(text);
    const { server } = client;
    const published = performance.now();
    try {
      await client.publish(CHANNEL, text);
      progress.acked = Math.max(progress.acked, number);
      this.acked.add(text);
      this.#times.push(performance.now());
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.failed.push({ text, reason, published, ended: performance.now(), server });
    }
    this.#outstanding.delete(text);
  }
}

/** Reads the channel from the first message to one that is published now. */
export async function readAll(reader: StanClient): Promise<Received[]> {
  const all = await reader.subscribe(CHANNEL, { start: "first", maxInFlight: 5_000 });
  const end = `the end ${crypto.randomUUID()}`;
  await eventually(() => reader.publish(CHANNEL, end).then(() => true, () => undefined), "an acknowledgement");
  await eventually(() => all.received.some(({ text }) => text === end) || undefined, "the last message", 120_000);
  return all.received;
}

/** Every acknowledged message is there, no message twice, no sequence is missing. Answers the texts in their order. */
export function checkAll(received: readonly Received[], acked: ReadonlySet<string>): string[] {
  const bySequence = new Map(received.map(({ sequence, text }) => [sequence, text]));
  const last = Math.max(...bySequence.keys());
  const stored: string[] = [];
  for (let sequence = 1; sequence <= last; sequence++) {
    const text = bySequence.get(sequence);
    assert.ok(text !== undefined, `sequence ${sequence} is missing`);
    stored.push(text);
  }
  const texts = new Set(stored);
  assert.equal(texts.size, stored.length, "a message is stored twice");
  for (const text of acked) assert.ok(texts.has(text), `"${text}" was acknowledged and is not there`);
  return stored;
}

/** Median and maximum of some gaps, in whole milliseconds. */
export function medianAndMaximum(gaps: readonly number[]): { median: number; maximum: number } {
  const sorted = gaps.map(Math.round).sort((a, b) => a - b);
  return { median: sorted[Math.floor(sorted.length / 2)] ?? 0, maximum: sorted.at(-1) ?? 0 };
}
