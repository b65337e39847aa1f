/**
 * A cluster that lost its majority for ever is set up anew from what is left, offline and by the operator's word (spec
 * clustering, section 7): the first node of the list goes on with all that its log holds, alone, under another identity;
 * the others of the list give up their logs and join it. Whoever was lost can never come back as what it was.
 */
import type { Clock } from "../ports/clock.ts";
import type { Files } from "../ports/files.ts";
import { type Journal, type MessageSource, NotAgreed, type Replica, type Role } from "../ports/journal.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import { StartFailed } from "../protocol/errors.ts";
import { Nuid } from "../protocol/nuid.ts";
import type { Sequence } from "../protocol/units.ts";
import { Applying } from "./applying.ts";
import { isNodeId } from "./core/mod.ts";
import { checkOptions, type RaftOptions } from "./options.ts";
import { Proposals } from "./proposals.ts";
import { RaftDirectory } from "./raft_directory.ts";
import { refuseDamage } from "./store_repair.ts";
import { crc32c, entryFrom } from "./wire/mod.ts";

export interface ForcingPorts {
  readonly files: Files;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** So many bytes of entries are read from the log at a time. */
const RUN = 4 * 1024 * 1024;

/**
 * The journal of a node whose membership is to be forced: starting it does that, on this node's disk alone. `members`: the
 * nodes that are left, the one to go on first. Throws StartFailed, also while the directory is in use.
 */
export function openForcing(options: RaftOptions, members: readonly string[], ports: ForcingPorts): Journal {
  const checked = checkOptions({ ...options, peers: [], bootstrap: false });
  for (const [i, name] of members.entries()) {
    if (!isNodeId(name)) throw new StartFailed(`cluster_force_members: ${JSON.stringify(name)} is no node ID`);
    if (members.indexOf(name) !== i) throw new StartFailed(`cluster_force_members: ${name} is listed twice`);
  }
  return new Forcing(new RaftDirectory(ports.files, ports.random, checked), members, ports);
}

class Forcing implements Journal {
  readonly nodeId: string;
  readonly commitsAtOnce = 1;
  readonly mayServe = false;
  readonly role: Role = "Follower";
  readonly #directory: RaftDirectory;
  readonly #members: readonly string[];
  readonly #ports: ForcingPorts;

  constructor(directory: RaftDirectory, members: readonly string[], ports: ForcingPorts) {
    this.nodeId = directory.member.nodeId;
    this.#directory = directory;
    this.#members = members;
    this.#ports = ports;
  }

  async start(replica: Replica): Promise<void> {
    const directory = this.#directory;
    const { log, random } = this.#ports;
    const { member } = directory;
    if (directory.ailment !== undefined && this.#isFirst) {
      const { text } = directory.ailment;
      throw new StartFailed(`${text}; the first node of the list needs a sound log: name another one first`);
    }
    const old = member.identity !== "" ? member.identity : directory.ailment?.identity ?? "";
    if (old === "") throw new StartFailed(`${directory.path}: this node was no member of a cluster: start it as usual`);
    if (!this.#members.includes(this.nodeId)) {
      throw new StartFailed(
        `this is node ${this.nodeId}, which is not among ${this.#members.join(", ")}: list the nodes that are left, ` +
          `the one with the longest log first; to have this one join them, wipe it`,
      );
    }
    const isDone = member.former.some((one) => forcedIdentity(one, this.#members) === old);
    const identity = isDone ? old : forcedIdentity(old, this.#members);
    if (this.#isFirst && (!isDone || member.forcing)) await this.#goOn(identity, replica);
    else if (!isDone) directory.renew(new Nuid(random).next(), identity);
    await replica.belongTo?.(identity);
    directory.noteStopped();
    log.notice(
      isDone && !member.forcing
        ? `the membership was forced with this list before: nothing to do`
        : `the cluster's identity is ${identity} from now on: start node ${this.#members[0]} first, the others join it`,
    );
  }

  commit(): Promise<never> {
    return Promise.reject(new NotAgreed("not-leader", "the membership of this node is being forced"));
  }

  report(): void {}
  restate(): void {}
  flushReports(): void {}

  stop(): Promise<void> {
    this.#directory.close();
    return Promise.resolve();
  }

  get #isFirst(): boolean {
    return this.#members[0] === this.nodeId;
  }

  /** Everything in the log counts: nobody is left to say what was agreed. */
  async #goOn(identity: string, replica: Replica): Promise<void> {
    const directory = this.#directory;
    const { log } = this.#ports;
    refuseDamage(replica);
    directory.beginForcing(identity);
    directory.chooseSnapshot((state) => replica.lacks?.(state) ?? [], true);
    const summary = directory.summary();
    const { snapshot, wal } = directory;
    if (snapshot !== undefined) await replica.restore(snapshot.state, nobody(log));
    await this.#applyAll(replica, snapshot?.mark.index ?? 0);
    log.notice(`applied the log up to entry ${summary.lastIndex} of term ${wal.lastTerm}`);
    const state = await replica.snapshot();
    await replica.settle?.();
    await directory.replacePast(identity, state);
  }

  async #applyAll(replica: Replica, after: number): Promise<void> {
    const { wal } = this.#directory;
    const nothing = { index: 0, membership: { members: [] } };
    let failure: unknown;
    const applying = new Applying(replica, new Proposals(), this.#ports.clock, nothing, {
      applied() {},
      deleting() {},
      full: (full) => full && this.#ports.log.error("the disk of the store is full"),
      failed(error) {
        failure = error;
        applying.stop();
      },
    });
    applying.release();
    for (let next = after + 1; next <= wal.lastIndex && failure === undefined;) {
      const entries = wal.read(next, wal.lastIndex + 1, RUN)
        .map(({ kind, index, term, payload }) => entryFrom(kind, index, term, payload));
      applying.push(entries);
      next += entries.length;
      await applying.reached(next - 1);
    }
    applying.stop();
    if (failure !== undefined) throw failure;
  }
}

/**
 * The same on every node of the list. Older than the one it replaces, as identities count: where both meet, whoever still
 * has the old one stops.
 */
export function forcedIdentity(old: string, members: readonly string[]): string {
  const born = (parseInt(old.slice(0, 12), 16) - 1).toString(16).padStart(12, "0");
  const text = new TextEncoder();
  let digits = "";
  for (let i = 0; digits.length < 20; i++) {
    digits += crc32c(text.encode(`${i} ${old} ${members.join(" ")}`)).toString(16).padStart(8, "0");
  }
  return born + digits.slice(0, 20);
}

/** No other node is asked: what the store lacks is lost, and said. */
function nobody(log: Log): MessageSource {
  return {
    fetch(channel: string, _incarnation: number, from: Sequence, to: Sequence): Promise<void> {
      log.warn(`channel ${JSON.stringify(channel)}: messages ${from} to ${to} are lost`);
      return Promise.resolve();
    },
    agrees: () => Promise.resolve(true),
  };
}
