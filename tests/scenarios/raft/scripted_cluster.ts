/** Some Raft nodes to which a script says what happens, step by step. Nothing happens by itself, and nothing by chance. */
import {
  DEFAULT_LIMITS,
  type Entry,
  type Membership,
  type Message,
  Raft,
  type RaftTimeouts,
  type Ready,
  type SnapshotMark,
} from "../../../src/raft/core/mod.ts";
import { RaftDisk } from "../../simulation/raft_disk.ts";
import { SeededRandom } from "../../simulation/seeded_random.ts";
import { parseMessage, tellEntries, tellMembership, tellMessage } from "./telling.ts";

/** An election comes after 10 ticks of silence and more, a lease lasts 4, its guard 8; heartbeats every tick. */
const TIMEOUTS: RaftTimeouts = {
  heartbeatTimeout: 10,
  electionTimeout: 10,
  leaseTimeout: 5,
  heartbeatInterval: 1,
  commitInterval: 1,
};

interface ScriptedNode {
  readonly id: string;
  disk: RaftDisk;
  founders: readonly string[];
  raft: Raft | undefined;
  /** Writes wait for `store` instead of being durable at once. */
  slowDisk: boolean;
  stored: number;
  written: number;
  held: { readonly message: Message; readonly after: number }[];
  now: number;
  /** What every drawing of lots gives, where that is not too much: ticks of patience beyond the least. */
  chance: number;
  commit: number;
  applied: { index: number; term: number };
  membership: { index: number; membership: Membership };
  install: SnapshotMark | undefined;
}

export class ScriptedCluster {
  readonly #nodes = new Map<string, ScriptedNode>();
  #messages: Message[] = [];
  readonly #cut = new Set<string>();
  /** Links whose messages are kept back, and what was kept. */
  readonly #kept = new Map<string, Message[]>();
  #showsMessages = false;
  #output: string[] = [];
  #incarnations = 0;

  takeOutput(): readonly string[] {
    const output = this.#output;
    this.#output = [];
    return output.length > 0 ? output : ["ok"];
  }

  /** Runs one command; see `README.md` in this folder. */
  run(line: string): void {
    const [command = "", ...words] = line.trim().split(/\s+/);
    const run = this.#commands[command];
    if (run === undefined) throw new Error(`unknown command: ${line}`);
    run(words);
  }

  readonly #commands: Record<string, (words: string[]) => void> = {
    nodes: (ids) => ids.forEach((id) => this.#start(this.#make(id, ids))),
    form: (ids) => this.#form(ids),
    run: ([count = "1"]) => {
      for (let i = 0; i < Number(count); i++) {
        this.#tick("all", 1);
        this.#deliver(undefined, 100);
      }
    },
    joiner: ([id]) => this.#start(this.#make(id!, [])),
    messages: ([how]) => void (this.#showsMessages = how === "shown"),
    patience: ([id, ticks]) => void (this.#node(id!).chance = Number(ticks)),
    jump: ([id, ticks]) => this.#on(id!, (raft) => raft.tick(this.#node(id!).now += Number(ticks))),
    tick: ([id, count = "1"]) => this.#tick(id!, Number(count)),
    propose: ([id, count = "1"]) => this.#propose(id!, Number(count)),
    deliver: ([link]) => this.#deliver(link, 1),
    settle: ([link]) => this.#deliver(link, 100),
    drop: ([link]) => void (this.#messages = this.#messages.filter((message) => !isOn(message, link))),
    keep: ([link]) => void this.#kept.set(link!, []),
    release: ([link]) => this.#release(link!),
    cut: (links) => links.forEach((link) => this.#cut.add(link)),
    heal: () => this.#cut.clear(),
    inject: (words) => this.#step(parseMessage(words, (id) => this.#node(id).raft?.identity ?? "")),
    slow: ([id]) => void (this.#node(id!).slowDisk = true),
    fast: ([id]) => {
      this.#node(id!).slowDisk = false;
      this.#store(id!, Infinity);
    },
    store: ([id, ticket]) => this.#store(id!, ticket === undefined ? Infinity : Number(ticket)),
    crash: ([id]) => this.#crash(id!),
    wipe: ([id]) => {
      this.#crash(id!);
      Object.assign(this.#node(id!), { disk: new RaftDisk(`${id}${++this.#incarnations}`), founders: [] });
    },
    restart: ([id]) => this.#start(this.#node(id!)),
    transfer: ([id, target]) => this.#on(id!, (raft) => this.#say(id!, tellTransfer(raft.transfer(target)))),
    leave: ([id]) => this.#on(id!, (raft) => raft.leave()),
    read: ([id]) => this.#on(id!, (raft) => this.#say(id!, `asks read ${raft.read()}`)),
    gone: ([id, leader]) => this.#on(id!, (raft) => raft.leaderGone(leader!)),
    stall: ([id]) => this.#on(id!, (raft) => raft.stall()),
    disk: ([id, state]) => this.#on(id!, (raft) => raft.setDisk(state as "ok")),
    add: ([id, who]) => this.#add(id!, who!),
    remove: ([id, who, force]) =>
      this.#on(id!, (raft) => {
        const change = { kind: "remove", id: who!, force: force === "force" } as const;
        this.#say(id!, tellChange(raft.changeMembership(change)));
      }),
    snapshot: ([id]) => this.#snapshot(id!),
    install: ([id]) => {
      this.#beginInstall(id!);
      this.#finishInstall(id!);
    },
    begin: ([id]) => this.#beginInstall(id!),
    finish: ([id]) => this.#finishInstall(id!),
    status: (ids) => ids.forEach((id) => this.#status(id)),
    log: (ids) => ids.forEach((id) => this.#say(id, `log ${tellEntries(this.#node(id).disk.written.entries)}`)),
  };

  #node(id: string): ScriptedNode {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new Error(`there is no node ${id}`);
    return node;
  }

  #make(id: string, founders: readonly string[]): ScriptedNode {
    const node: ScriptedNode = {
      id,
      disk: new RaftDisk(this.#nodes.has(id) ? `${id}${++this.#incarnations}` : `${id}0`),
      founders,
      raft: undefined,
      slowDisk: false,
      stored: 0,
      written: 0,
      held: [],
      now: 0,
      chance: 3 * this.#nodes.size,
      commit: 0,
      applied: { index: 0, term: 0 },
      membership: { index: 0, membership: { members: [] } },
      install: undefined,
    };
    this.#nodes.set(id, node);
    return node;
  }

  /** Nodes that have elected the first of them and committed its first entries. */
  #form(ids: readonly string[]): void {
    for (const id of ids) this.#start(this.#make(id, ids));
    for (let i = 0; i < 3; i++) {
      this.#tick(ids[0]!, 1);
      this.#deliver(undefined, 100);
    }
    this.#output = [];
  }

  #start(node: ScriptedNode): void {
    const mark = node.disk.snapshot?.mark;
    Object.assign(node, { stored: 0, written: 0, held: [], now: 0, commit: 0, install: undefined });
    node.applied = { index: mark?.index ?? 0, term: mark?.term ?? 0 };
    node.raft = new Raft({
      id: node.id,
      incarnation: node.disk.incarnation,
      identity: node.disk.identity,
      newIdentity: `cluster of ${node.disk.incarnation}`,
      founders: node.founders,
      timeouts: TIMEOUTS,
      limits: { ...DEFAULT_LIMITS, trailingEntries: 0 },
      hardState: node.disk.hardState,
      log: node.disk.log.summary(mark),
      applied: node.applied.index,
      distrustLog: false,
      random: { below: (bound) => Math.min(node.chance, bound - 1) },
      now: 0,
    });
  }

  #crash(id: string): void {
    const node = this.#node(id);
    node.raft = undefined;
    const nothingSurvives = new SeededRandom(0);
    nothingSurvives.below = () => 0;
    node.disk.crash(nothingSurvives);
    this.#say(id, "is gone");
  }

  /** Gives `input` to the core, then does what is owed. */
  #on(id: string, input: (raft: Raft) => void): void {
    const node = this.#node(id);
    if (node.raft === undefined) return;
    input(node.raft);
    while (node.raft.hasReady) this.#perform(node, node.raft.takeReady());
  }

  #tick(who: string, count: number): void {
    const ids = who === "all" ? [...this.#nodes.keys()] : [who];
    for (let i = 0; i < count; i++) for (const id of ids) this.#on(id, (raft) => raft.tick(++this.#node(id).now));
  }

  #propose(id: string, count: number): void {
    this.#on(id, (raft) => {
      const payloads = Array.from({ length: count }, () => new Uint8Array(8));
      const result = raft.propose("operations", payloads);
      if (result.kind === "refused") this.#say(id, `refuses the proposal: ${result.reason}`);
    });
  }

  #add(id: string, who: string): void {
    const incarnation = this.#nodes.get(who)?.disk.incarnation ?? "";
    this.#on(id, (raft) => this.#say(id, tellChange(raft.changeMembership({ kind: "add", id: who, incarnation }))));
  }

  #perform(node: ScriptedNode, ready: Ready): void {
    const { id } = node;
    if (ready.roleChange !== undefined) {
      const { role, term, leader } = ready.roleChange;
      this.#say(id, `${role} in term ${term}${role === "follower" && leader !== "" ? ` under ${leader}` : ""}`);
    }
    this.#write(node, ready);
    if (ready.identity !== undefined) node.disk.identity = ready.identity;
    if (ready.membership !== undefined) this.#say(id, `members ${tellMembership(ready.membership.membership)}`);
    for (const { message, after } of ready.messages) {
      if (after <= node.stored) this.#send(message);
      else node.held.push({ message, after });
    }
    if (ready.commit > node.commit) this.#say(id, `commits ${ready.commit}`);
    node.commit = ready.commit;
    for (const entry of ready.committed) this.#apply(node, entry);
    for (const { read, index } of ready.reads) this.#say(id, `read ${read}: ${index ?? "leadership lost"}`);
    for (const notice of ready.notices) this.#say(id, `notices ${JSON.stringify(notice)}`);
    if (ready.install !== undefined) {
      node.install = ready.install.snapshot;
      this.#say(id, `is to install the snapshot of ${node.install.index} from ${ready.install.from}`);
    }
    for (const asked of ready.fetches) {
      const entries: Entry[] = [];
      for (let i = asked.from; i <= asked.to; i++) entries.push(node.disk.written.at(i)!);
      node.raft!.fetched(asked, entries);
    }
  }

  #write(node: ScriptedNode, ready: Ready): void {
    if (ready.ticket === 0) return;
    const { ticket, hardState, restartLogAt, entries, cutThrough, commit } = ready;
    node.disk.write({ ticket, hardState, log: { restartLogAt, entries, cutThrough, commit } });
    node.written = ticket;
    if (entries.length > 0) {
      this.#say(node.id, `writes ${tellEntries(entries)}${node.slowDisk ? `, ticket ${ticket}` : ""}`);
    }
    if (restartLogAt !== undefined) this.#say(node.id, `starts its log afresh behind ${restartLogAt.index}`);
    if (cutThrough > 0) this.#say(node.id, `cuts its log through ${cutThrough}`);
    if (!node.slowDisk) this.#store(node.id, ticket);
  }

  #store(id: string, ticket: number): void {
    const node = this.#node(id);
    const upTo = Math.min(ticket, node.written);
    if (upTo <= node.stored) return;
    node.disk.done(upTo);
    node.stored = upTo;
    const due = node.held.filter(({ after }) => after <= upTo);
    node.held = node.held.filter(({ after }) => after > upTo);
    for (const { message } of due) this.#send(message);
    this.#on(id, (raft) => raft.stored(upTo));
  }

  #apply(node: ScriptedNode, entry: Entry): void {
    node.applied = { index: entry.index, term: entry.term };
    if (entry.kind === "membership") node.membership = { index: entry.index, membership: entry.membership };
    node.raft!.applied(entry.index);
  }

  #send(message: Message): void {
    if (this.#showsMessages) this.#output.push(`    ${tellMessage(message)}`);
    const link = `${message.from}>${message.to}`;
    if (this.#cut.has(link)) return;
    const kept = this.#kept.get(link);
    if (kept !== undefined) kept.push(message);
    else this.#messages.push(message);
  }

  /** Delivers what is under way, and what comes of it, for so many rounds. */
  #deliver(link: string | undefined, rounds: number): void {
    for (let i = 0; i < rounds; i++) {
      const due = this.#messages.filter((message) => isOn(message, link));
      if (due.length === 0) return;
      this.#messages = this.#messages.filter((message) => !isOn(message, link));
      for (const message of due) this.#step(message);
    }
  }

  /** What was kept back on `link` arrives now. */
  #release(link: string): void {
    const kept = this.#kept.get(link) ?? [];
    this.#kept.delete(link);
    for (const message of kept) this.#step(message);
  }

  #step(message: Message): void {
    if (this.#cut.has(`${message.from}>${message.to}`)) return;
    if (this.#nodes.has(message.to)) this.#on(message.to, (raft) => raft.step(message));
  }

  #snapshot(id: string): void {
    const node = this.#node(id);
    const mark = { ...node.applied, membership: node.membership, identity: node.disk.identity };
    node.disk.keep({ mark, digest: 0 });
    this.#on(id, (raft) => raft.snapshotTaken(mark));
  }

  #beginInstall(id: string): void {
    const node = this.#node(id);
    const mark = node.install;
    if (mark === undefined) return this.#say(id, "has nothing to install");
    this.#on(id, (raft) => {
      if (raft.mayInstall(mark)) return;
      node.install = undefined;
      this.#say(id, `does not need the snapshot of ${mark.index} any more`);
    });
  }

  #finishInstall(id: string): void {
    const node = this.#node(id);
    const mark = node.install;
    if (mark === undefined) return;
    this.#on(id, (raft) => {
      node.disk.keep({ mark, digest: 0 });
      node.disk.identity ||= mark.identity;
      node.applied = { index: mark.index, term: mark.term };
      node.membership = mark.membership;
      node.install = undefined;
      raft.snapshotInstalled(mark);
    });
  }

  #status(id: string): void {
    const { raft } = this.#node(id);
    if (raft === undefined) return this.#say(id, "down");
    const { role, hardState, lastIndex, commit, applied } = raft.status();
    const vote = hardState.vote === "" ? "" : `, vote ${hardState.vote}`;
    const serves = raft.leading && this.#node(id).now < raft.leaseUntil ? ", serves" : "";
    this.#say(
      id,
      `${role} in term ${hardState.term}${vote}, last ${lastIndex}, commit ${commit}, applied ${applied}${serves}`,
    );
  }

  #say(id: string, what: string): void {
    this.#output.push(`${id} ${what}`);
  }
}

function isOn(message: Message, link: string | undefined): boolean {
  if (link === undefined) return true;
  const [from, to] = link.split(">");
  return (from === "*" || from === message.from) && (to === "*" || to === message.to);
}

function tellTransfer(result: ReturnType<Raft["transfer"]>): string {
  return result.kind === "started" ? `hands over to ${result.target}` : `does not hand over: ${result.reason}`;
}

function tellChange(result: ReturnType<Raft["changeMembership"]>): string {
  if (result.kind === "refused") return `refuses the change: ${result.reason}`;
  return result.kind === "unchanged" ? "has nothing to change" : `changes the membership at ${result.index}`;
}
