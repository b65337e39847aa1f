/** Raft cores with the simplest driver, for unit tests that say what goes from one to another. */
import assert from "node:assert/strict";
import type { Append, Entry, Message } from "../../src/raft/core/messages.ts";
import {
  DEFAULT_LIMITS,
  EMPTY_LOG,
  type LogSummary,
  type RaftLimits,
  type RaftOptions,
} from "../../src/raft/core/options.ts";
import { Raft } from "../../src/raft/core/raft.ts";
import type { Fetch, Notice, Ready } from "../../src/raft/core/ready.ts";

export const TIMEOUTS = {
  heartbeatTimeout: 20,
  electionTimeout: 20,
  leaseTimeout: 10,
  heartbeatInterval: 2,
  commitInterval: 1,
};

/** One core with the simplest driver: disks are done at once, messages wait to be carried. */
export class Node {
  readonly raft: Raft;
  readonly entries: Entry[] = [];
  readonly applied: Entry[] = [];
  readonly notices: Notice[] = [];
  readonly readies: Ready[] = [];
  sent: Message[] = [];
  fetches: Fetch[] = [];
  appliesAtOnce = true;
  /** The disk takes its time: nothing is durable before {@link flush}. */
  slowDisk = false;
  #unsynced = 0;
  now = 0;

  constructor(options: Partial<RaftOptions> & { readonly id: string }) {
    this.raft = new Raft({
      incarnation: `${options.id}0`,
      identity: "",
      newIdentity: options.id.repeat(32),
      founders: [],
      timeouts: TIMEOUTS,
      limits: DEFAULT_LIMITS,
      hardState: { term: 0, vote: "" },
      log: EMPTY_LOG,
      applied: 0,
      distrustLog: false,
      random: { below: () => 0 },
      now: 0,
      ...options,
    });
  }

  perform(): void {
    while (this.raft.hasReady) {
      const ready = this.raft.takeReady();
      this.readies.push(ready);
      if (ready.entries.length > 0) this.entries.length = ready.entries[0]!.index - 1;
      this.entries.push(...ready.entries);
      this.sent.push(...ready.messages.map((outgoing) => outgoing.message));
      this.fetches.push(...ready.fetches);
      this.notices.push(...ready.notices);
      this.applied.push(...ready.committed);
      if (ready.ticket > 0) this.#unsynced = ready.ticket;
      if (!this.slowDisk) this.flush();
      if (ready.committed.length > 0 && this.appliesAtOnce) this.raft.applied(ready.committed.at(-1)!.index);
    }
  }

  flush(): void {
    if (this.#unsynced > 0) this.raft.stored(this.#unsynced);
    this.#unsynced = 0;
  }

  tick(count: number): void {
    for (let i = 0; i < count; i++) {
      this.raft.tick(++this.now);
      this.perform();
    }
  }

  take(): Message[] {
    const sent = this.sent;
    this.sent = [];
    return sent;
  }

  appends(): Append[] {
    return this.take().filter((message) => message.kind === "append");
  }
}

/** Carries messages between `nodes` until there are none; messages for others are lost. */
export function settle(...nodes: Node[]): void {
  settleBut(() => false, ...nodes);
}

/** The same, but some messages are lost. */
export function settleBut(isLost: (message: Message) => boolean, ...nodes: Node[]): void {
  for (const node of nodes) node.perform();
  for (let rounds = 0; rounds < 1_000; rounds++) {
    const messages = nodes.flatMap((node) => node.take());
    if (messages.length === 0) return;
    for (const message of messages) {
      if (!isLost(message)) nodes.find((node) => message.to === idOf(node))?.raft.step(message);
    }
    for (const node of nodes) node.perform();
  }
  assert.fail("nodes that never come to rest");
}

const ids = new WeakMap<Node, string>();

export function idOf(node: Node): string {
  return ids.get(node)!;
}

export function make(id: string, options: Partial<RaftOptions> = {}): Node {
  const node = new Node({ id, ...options });
  ids.set(node, id);
  return node;
}

/** Nodes of which the first leads; two entries are committed. */
export function form(names: readonly string[], options: Partial<RaftOptions> = {}): Node[] {
  const nodes = names.map((id) => make(id, { founders: names, ...options }));
  nodes[0]!.tick(4);
  settle(...nodes);
  nodes[0]!.tick(1);
  settle(...nodes);
  nodes[0]!.tick(2);
  settle(...nodes);
  assert.equal(nodes[0]!.raft.role, "leader");
  return nodes;
}

export function limits(changed: Partial<RaftLimits>): { limits: RaftLimits } {
  return { limits: { ...DEFAULT_LIMITS, ...changed } };
}

export function bytes(length: number): Uint8Array {
  return new Uint8Array(length);
}

/** The summary of a log whose entries have these terms, from index 1. */
export function summaryOf(...terms: number[]): LogSummary {
  const runs = terms.map((term, i) => ({ from: i + 1, term })).filter(({ term }, i) => terms[i - 1] !== term);
  return { ...EMPTY_LOG, lastIndex: terms.length, runs };
}
