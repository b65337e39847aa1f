/**
 * A node's Raft directory, `<log_path>/<cluster id>/`: who it is, its term and vote, its log, its snapshots, and the lock
 * that keeps a second process out. Opening decides how this node starts (spec clustering, section 3.1): it goes on, begins,
 * or has to find its way back because its state is gone or damaged ({@link RaftDirectory.ailment}).
 */
import { FileFailed, type FileLock, type Files } from "../ports/files.ts";
import type { Lack } from "../ports/journal.ts";
import { StartFailed } from "../protocol/errors.ts";
import { Nuid } from "../protocol/nuid.ts";
import type { Random } from "../ports/random.ts";
import { assert } from "../protocol/assert.ts";
import type { LogSummary } from "./core/mod.ts";
import { checkKnown, refuseForeign, takeLock } from "./directory_checks.ts";
import { makeDurableDirectory } from "./durable_directory.ts";
import { type HardStateFile, Reserve, type Wal } from "./log/mod.ts";
import { logPathOf } from "./log_path.ts";
import { summarize } from "./log_summary.ts";
import { type MemberRecord, readMember, type StartDecision, writeMember } from "./members/mod.ts";
import { Ailing, holdsLog, type NodeFiles, openNodeFiles } from "./node_files.ts";
import type { CheckedOptions } from "./options.ts";
import { asidePath, keepMemberFile, makeRoom, moveAside } from "./setting_aside.ts";
import { chooseSnapshot, type Snapshot, type Snapshots } from "./snapshots/mod.ts";
import { StartReport } from "./start_report.ts";

/** Why this node cannot go on from what is on its disk. */
export interface Ailment {
  readonly text: string;
  /** What the operator can do where no other node helps. */
  readonly remedy: string;
  /** The identity of the cluster that its state, or its store, is of; empty: unknown. */
  readonly identity: string;
}

export class RaftDirectory {
  /** Under which {@link path} lies, as an operator gives it. */
  readonly logPath: string;
  readonly path: string;
  /** Whether this start found a node here. */
  readonly recovered: boolean;
  readonly report = new StartReport();
  /** With `sync` off, the machine was restarted after a stop that was not orderly (P12). */
  distrusted: boolean;
  /** Given up when the disk is full. */
  readonly reserve: Reserve;
  readonly #files: Files;
  readonly #options: CheckedOptions;
  readonly #lock: FileLock;
  #member: MemberRecord;
  #opened: NodeFiles | undefined;
  #snapshot: Snapshot | undefined;
  #ailment: Ailment | undefined;

  /** Opens or makes the directory. Throws StartFailed or FileFailed, and holds nothing then. */
  constructor(files: Files, random: Random, options: CheckedOptions) {
    this.#files = files;
    this.#options = options;
    const fresh = new Nuid(random);
    const drawn = options.nodeId !== "" ? options.nodeId : fresh.next();
    const logPath = logPathOf(files, options, drawn);
    this.logPath = logPath;
    this.path = `${logPath}/${options.clusterId}`;
    refuseForeign(files, this.path);
    const known = this.#known(logPath);
    this.recovered = known !== undefined;
    if (known !== undefined) checkKnown(known, options, this.path);
    makeDurableDirectory(files, this.path);
    this.#lock = takeLock(files, this.path);
    this.reserve = new Reserve(files, `${this.path}/reserve`, options.reserveBytes);
    this.distrusted = known !== undefined && (known.distrusted || lostPower(known, options));
    this.#member = known ?? firstRecord(drawn, fresh.next(), options);
    try {
      if (this.#ailment === undefined) this.#begin(known);
    } catch (error) {
      this.#opened?.wal.close();
      this.#opened?.vote.close();
      this.#lock.release();
      throw error;
    }
  }

  get member(): MemberRecord {
    return this.#member;
  }

  /** Set while this node's state is of no use; {@link renew} ends that. */
  get ailment(): Ailment | undefined {
    return this.#ailment;
  }

  get wal(): Wal {
    return this.#state.wal;
  }

  get snapshots(): Snapshots {
    return this.#state.snapshots;
  }

  get vote(): HardStateFile {
    return this.#state.vote;
  }

  /** The snapshot that this start goes on from: the newest sound one, unless {@link chooseSnapshot} took an older one. */
  get snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  /** Changes the member record durably; what is already so is not written again. */
  updateMember(changes: Partial<MemberRecord>): void {
    const next = { ...this.#member, ...changes };
    const path = `${this.path}/member`;
    if (JSON.stringify(next) === JSON.stringify(this.#member) && this.#files.exists(path)) return;
    this.reserve.essential(() => writeMember(this.#files, path, next));
    this.#member = next;
    if (changes.identity !== undefined) this.#opened?.wal.setIdentity(identityBytes(changes.identity));
  }

  /** A node without a past begins. */
  begin({ founders, term }: StartDecision): void {
    if (term > this.vote.state.term) this.vote.save({ term, vote: "" });
    this.updateMember({ founders });
  }

  /** Goes on from an older snapshot where the store lacks messages that the newest one names. `isAlone`: no other node helps. */
  chooseSnapshot(lacking: (state: Uint8Array) => readonly Lack[], isAlone: boolean): void {
    const { found, wal } = this.#state;
    if (found[0] === undefined || !reaches(wal, found[0].mark)) return;
    const choice = chooseSnapshot(found, wal.baseIndex, isAlone, lacking);
    if (choice === undefined) return;
    this.#snapshot = choice.snapshot;
    this.report.disagreed(choice.disagreed);
    this.report.done(choice.done);
  }

  /** Brings the log to the snapshot it has to follow, and says what it holds. Throws StartFailed when it cannot be used. */
  summary(): LogSummary {
    const { wal, snapshot } = this;
    if (snapshot !== undefined && !reaches(wal, snapshot.mark)) wal.restart(snapshot.mark.index, snapshot.mark.term);
    return summarize(wal, snapshot);
  }

  /**
   * The log is applied up to its end, and `state` is what came of it: from now on that is this node's whole past, as a
   * member of a cluster of its own (spec clustering, section 7). Killed at any point, {@link MemberRecord.forcing} tells.
   */
  async replacePast(identity: string, state: Uint8Array): Promise<void> {
    const { wal, vote, snapshots } = this.#state;
    const { nodeId: id, incarnation } = this.#member;
    const index = wal.lastIndex;
    const term = wal.lastTerm;
    const membership = { index, membership: { members: [{ id, incarnation, voter: true }] } };
    await snapshots.write({ mark: { index, term, membership, identity }, state }, () => undefined);
    wal.setIdentity(identityBytes(identity));
    wal.restart(index, term);
    vote.save({ term: Math.max(vote.state.term, term) + 1, vote: "" });
    this.updateMember({ forcing: false });
  }

  /**
   * This node begins anew under another incarnation, which the cluster has taken in as a learner: what is here of the
   * former one is set aside. Killed at any point, the next start finds either the old state or goes on with this.
   */
  renew(incarnation: string, identity: string): void {
    this.#opened?.wal.close();
    this.#opened?.vote.close();
    this.#opened = undefined;
    const files = this.#files;
    const hadState = this.recovered || holdsLog(files, this.path) || files.exists(`${this.path}/vote`);
    if (hadState) {
      makeRoom(files, this.path);
      keepMemberFile(files, this.path);
    }
    const { nodeId, renewal } = this.#member;
    const doubtful = this.#options.store.recovered && renewal === undefined;
    const record = { ...firstRecord(nodeId, incarnation, this.#options), former: this.#formerWith(identity) };
    this.distrusted = false;
    this.updateMember({
      ...{ ...record, machineBoot: this.#machineBoot, stopped: false, identity, doubtful, settingAside: true },
      renewal: renewal === undefined ? undefined : "begun",
    });
    if (hadState) this.report.done(`the former state was set aside in ${asidePath(this.path)}`);
    this.report.done(`this node begins anew as incarnation ${incarnation}, without a vote until it has caught up`);
    if (doubtful) this.report.done("messages in the store are kept where they agree with those of other nodes");
    this.#finishRenewal();
    this.#ailment = undefined;
    this.#openAnew();
  }

  /** Says that this stop is an orderly one. */
  noteStopped(): void {
    if (this.#ailment === undefined) this.updateMember({ stopped: true });
  }

  /** Releases everything; idempotent. */
  close(): void {
    this.#opened?.wal.close();
    this.#opened?.vote.close();
    this.#lock.release();
  }

  /** All identities that this node's cluster had before `identity`. */
  #formerWith(identity: string): readonly string[] {
    const { former } = this.#member;
    const last = this.#ailment?.identity ?? this.#member.identity;
    return last === "" || last === identity || former.includes(last) ? former : [...former, last];
  }

  /** From now on this node's cluster has another identity, and its past has to be replaced before it starts. */
  beginForcing(identity: string): void {
    this.updateMember({ identity, former: this.#formerWith(identity), forcing: true, founders: [], removedAt: 0 });
  }

  get #machineBoot(): string {
    return this.#options.sync ? "" : this.#options.machineBoot;
  }

  get #state(): NodeFiles {
    assert(this.#opened !== undefined, "the directory of a node that ails is not used");
    return this.#opened;
  }

  /** The member record, `undefined` when there is none that can be used. Throws StartFailed when this cannot be helped. */
  #known(logPath: string): MemberRecord | undefined {
    const { store } = this.#options;
    const files = this.#files;
    const ails = (text: string, remedy: string): undefined => {
      if (this.#options.nodeId === "") throw new StartFailed(`${text}. ${remedy}`);
      this.#ailment = { text, remedy, identity: store.identity };
      return undefined;
    };
    try {
      const known = readMember(files, `${this.path}/member`);
      if (known !== undefined) return known;
    } catch (error) {
      if (!(error instanceof FileFailed) || error.code !== "other") throw error;
      return ails(error.message, REPAIR);
    }
    const left = ["vote", "log", "snapshots"].filter((name) => files.exists(`${this.path}/${name}`));
    if (left.length > 0) return ails(`${this.path} holds ${left.join(", ")}, but the file member is missing`, REPAIR);
    if (!store.recovered) return undefined;
    const text = `streaming state was recovered but cluster log path ${JSON.stringify(logPath)} is empty`;
    if (store.identity === "") throw new StartFailed(`${text}. ${EMPTY}`);
    return ails(text, EMPTY);
  }

  #begin(known: MemberRecord | undefined): void {
    if (known?.settingAside === true) {
      this.#finishRenewal();
      this.report.done("the state of the former incarnation was set aside; that had been interrupted");
    }
    this.updateMember({ machineBoot: this.#machineBoot, stopped: false, distrusted: this.distrusted });
    if (known?.renewal === "due") {
      this.#ailment = { text: `${this.path}: ${DIVERGED}`, remedy: REPAIR, identity: this.#member.identity };
      return;
    }
    try {
      if (known?.settingAside === true) this.#openAnew();
      else this.#open(this.#member.identity !== "" && !this.distrusted);
    } catch (error) {
      if (!(error instanceof Ailing)) throw error;
      this.#ailment = { text: error.message, remedy: REPAIR, identity: this.#member.identity };
      this.report.read(`${this.path}: node ${this.#member.nodeId}`);
      return;
    }
    this.#adoptIdentity();
    // Where nothing is synced, what was cut off may have been acknowledged (P12).
    if (this.wal.torn > 0 && !this.#options.sync) this.updateMember({ distrusted: this.distrusted = true });
    this.#tell();
  }

  #finishRenewal(): void {
    moveAside(this.#files, this.path);
    this.updateMember({ settingAside: false });
  }

  /** Begins a log: an empty one is then one that was lost. */
  #openAnew(): void {
    this.#open(false);
    this.wal.restart(0, 0);
  }

  #open(expectsLog: boolean): void {
    const expected = { identity: identityBytes(this.#member.identity), log: expectsLog };
    const say = (line: string) => this.report.disagreed(line);
    this.#opened = openNodeFiles(this.#files, this.path, this.#options, expected, say);
    this.#snapshot = this.#opened.found[0];
  }

  /** A crash may have come between a snapshot's arrival and the note of the identity that it told. */
  #adoptIdentity(): void {
    const told = this.snapshot?.mark.identity ?? "";
    if (told !== "" && this.#member.identity === "") this.updateMember({ identity: told });
  }

  /** How a node without a past begins. */
  tellBeginning(): void {
    const { founders } = this.#member;
    const joins = "this node asks to be taken in by its cluster";
    this.report.done(founders.length === 0 ? joins : `this node founds a cluster of ${founders.join(", ")}`);
  }

  #tell(): void {
    const { wal, snapshot, vote, report } = this;
    const { nodeId, identity, incarnation } = this.#member;
    if (!this.recovered) return report.read(`${this.path}: nothing, this node is new (${nodeId})`);
    report.read(
      `${this.path}: node ${nodeId}, incarnation ${incarnation}, cluster ${identity === "" ? "unknown" : identity}`,
    );
    report.read(
      `term ${vote.state.term}, log (${wal.baseIndex}, ${wal.lastIndex}], the last of term ${wal.lastTerm}` +
        `, snapshot ${snapshot?.mark.index ?? "none"}, committed at least ${wal.commitHint}`,
    );
    if (wal.torn > 0) {
      report.disagreed(`the log ended in an unfinished write of ${wal.torn} bytes`);
      const harmless = this.distrusted ? "" : ": nobody was told of it";
      report.done(`cut ${wal.torn} bytes of an unfinished write off the log${harmless}`);
    }
    if (this.distrusted) {
      report.disagreed("the log may lack what this node had acknowledged");
      report.done("this node does not vote before a leader has brought it in step");
    }
  }
}

const DIVERGED = "the state of this node had gone its own way, and is not used any more";
const REPAIR =
  "Move this directory and the store's away: the node then joins the cluster anew and gets everything from the others.";
const EMPTY =
  "Give the log path that this node had; or move the store away: the node then joins its cluster anew and gets everything from the others.";

/** Whether the log goes on from this snapshot; it does not after a crash between installing one and restarting the log. */
function reaches(wal: Wal, mark: { readonly index: number; readonly term: number }): boolean {
  return mark.index < wal.baseIndex || wal.term(mark.index) === mark.term;
}

/** The machine stopped while writes were not synced: the end of the log may be gone. */
function lostPower({ stopped, machineBoot }: MemberRecord, options: CheckedOptions): boolean {
  return !stopped && machineBoot !== "" && options.machineBoot !== "" && machineBoot !== options.machineBoot;
}

function firstRecord(nodeId: string, incarnation: string, options: CheckedOptions): MemberRecord {
  return {
    clusterId: options.clusterId,
    nodeId,
    incarnation,
    identity: "",
    founders: [],
    removedAt: 0,
    machineBoot: "",
    stopped: true,
    distrusted: false,
    doubtful: false,
    settingAside: false,
    former: [],
    forcing: false,
  };
}

/** The 16 bytes of an identity in hexadecimal digits; zeros for none. */
export function identityBytes(identity: string): Uint8Array {
  const bytes = new Uint8Array(16);
  for (let i = 0; i < 16 && identity !== ""; i++) bytes[i] = parseInt(identity.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}
