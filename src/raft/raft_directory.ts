/**
 * A node's Raft directory, `<log_path>/<cluster id>/`: who it is, its term and vote, its log, its snapshots, and the lock
 * that keeps a second process out. Opening decides how this node starts (spec clustering, section 3.1).
 */
import { FileFailed, type FileLock, type Files } from "../ports/files.ts";
import { StartFailed } from "../protocol/errors.ts";
import { Nuid } from "../protocol/nuid.ts";
import type { Random } from "../ports/random.ts";
import type { LogSummary, MembershipAt, TermRun } from "./core/mod.ts";
import { makeDurableDirectory } from "./durable_directory.ts";
import { HardStateFile, Wal, type WalEntry } from "./log/mod.ts";
import { type MemberRecord, readMember, writeMember } from "./members/mod.ts";
import type { CheckedOptions } from "./options.ts";
import { type Snapshot, Snapshots } from "./snapshots/mod.ts";
import { entryFrom } from "./wire/mod.ts";

const MEMBERSHIP = 3;
const IDENTITY = 4;

export class RaftDirectory {
  readonly path: string;
  readonly wal: Wal;
  readonly snapshots: Snapshots;
  readonly vote: HardStateFile;
  /** The newest sound snapshot. */
  readonly snapshot: Snapshot | undefined;
  /** Whether this start found a node here. */
  readonly recovered: boolean;
  /** What is worth telling about this start, in order. */
  readonly report: string[] = [];
  /** With `sync` off, the machine was restarted after a stop that was not orderly (P12). */
  readonly distrusted: boolean;
  readonly #files: Files;
  readonly #lock: FileLock;
  #member: MemberRecord;

  /** Opens or makes the directory. Throws StartFailed or FileFailed, and holds nothing then. */
  constructor(files: Files, random: Random, options: CheckedOptions) {
    this.#files = files;
    const fresh = new Nuid(random);
    const nodeId = options.nodeId;
    const given = options.logPath;
    const drawn = nodeId === "" && given === "" ? fresh.next() : nodeId;
    const logPath = given !== "" ? given : `${options.clusterId}/${drawn}`;
    this.path = `${logPath}/${options.clusterId}`;
    refuseForeign(files, this.path);
    const known = readMember(files, `${this.path}/member`);
    this.recovered = known !== undefined;
    if (known === undefined && options.store.recovered) {
      throw new StartFailed(`streaming state was recovered but cluster log path ${JSON.stringify(logPath)} is empty`);
    }
    if (known !== undefined) checkKnown(known, options, this.path);
    makeDurableDirectory(files, this.path);
    this.#lock = takeLock(files, this.path);
    try {
      this.#member = known ?? firstRecord(drawn === "" ? fresh.next() : drawn, fresh.next(), options);
      const renewed = known?.renewal === "due";
      this.distrusted = known !== undefined && !renewed && (known.distrusted || lostPower(known, options));
      const machineBoot = options.sync ? "" : options.machineBoot;
      this.updateMember({ machineBoot, stopped: false, distrusted: this.distrusted });
      if (renewed) this.#setAside(fresh.next());
      this.vote = new HardStateFile(files, `${this.path}/vote`);
      const seal = options.seal;
      this.snapshots = new Snapshots(files, `${this.path}/snapshots`, {
        clusterId: options.clusterId,
        keep: options.logSnapshots,
        seal,
      });
      this.snapshot = this.snapshots.newest((line) => this.report.push(line));
      this.wal = new Wal(files, `${this.path}/log`, {
        identity: identityBytes(this.#member.identity),
        cacheEntries: options.logCacheSize,
        seal,
      });
    } catch (error) {
      this.#lock.release();
      throw error;
    }
    this.#adoptIdentity();
    this.#tell();
  }

  /** The state went its own way (D8): what it came from is kept, but this node begins anew, as another incarnation. */
  #setAside(incarnation: string): void {
    let aside = "";
    for (let number = 1; aside === "" || this.#files.exists(aside); number++) aside = `${this.path}/diverged-${number}`;
    makeDurableDirectory(this.#files, aside);
    for (const name of ["log", "snapshots"]) {
      if (this.#files.exists(`${this.path}/${name}`)) this.#files.rename(`${this.path}/${name}`, `${aside}/${name}`);
    }
    this.#files.syncDirectory(aside);
    this.#files.syncDirectory(this.path);
    this.updateMember({ incarnation, founders: [], removedAt: 0, distrusted: false, renewal: "begun" });
    this.report.push(`the state of this node had gone its own way: its log and snapshots are in ${aside} now`);
  }

  get member(): MemberRecord {
    return this.#member;
  }

  /** Changes the member record durably; what is already so is not written again. */
  updateMember(changes: Partial<MemberRecord>): void {
    const next = { ...this.#member, ...changes };
    const path = `${this.path}/member`;
    if (JSON.stringify(next) === JSON.stringify(this.#member) && this.#files.exists(path)) return;
    writeMember(this.#files, path, next);
    this.#member = next;
    if (changes.identity !== undefined) this.wal?.setIdentity(identityBytes(changes.identity));
  }

  /** Brings the log to the snapshot it has to follow, and says what it holds. Throws StartFailed when it cannot be used. */
  summary(): LogSummary {
    const { wal, snapshot } = this;
    if (wal.damage !== undefined) {
      const { path, offset, reason } = wal.damage;
      throw new StartFailed(`cluster log ${path} is damaged at offset ${offset}: ${reason}. ${REPAIR}`);
    }
    if (snapshot !== undefined && !reaches(wal, snapshot.mark)) wal.restart(snapshot.mark.index, snapshot.mark.term);
    const behind = snapshot === undefined ? 0 : snapshot.mark.index;
    if (wal.baseIndex > behind) {
      throw new StartFailed(
        `cluster log ${wal.directory} begins after entry ${wal.baseIndex}, but no snapshot up to there can be read. ${REPAIR}`,
      );
    }
    if (wal.lastIndex < wal.commitHint && wal.lastIndex < behind) {
      throw new StartFailed(
        `cluster log ${wal.directory} ends at entry ${wal.lastIndex} although entry ${wal.commitHint} was committed. ${REPAIR}`,
      );
    }
    return summarize(wal, snapshot);
  }

  /** Says that this stop is an orderly one. */
  noteStopped(): void {
    this.updateMember({ stopped: true });
  }

  /** Releases everything; idempotent. */
  close(): void {
    this.wal.close();
    this.vote.close();
    this.#lock.release();
  }

  /** A crash may have come between a snapshot's arrival and the note of the identity that it told. */
  #adoptIdentity(): void {
    const told = this.snapshot?.mark.identity ?? "";
    if (told !== "" && this.#member.identity === "") this.updateMember({ identity: told });
  }

  #tell(): void {
    const { wal, snapshot, vote } = this;
    if (!this.recovered) return;
    this.report.push(
      `recovered from ${this.path}: term ${vote.state.term}, log (${wal.baseIndex}, ${wal.lastIndex}]` +
        `, snapshot ${snapshot?.mark.index ?? "none"}, committed at least ${wal.commitHint}`,
    );
    if (wal.torn > 0) this.report.push(`cut ${wal.torn} bytes of an unfinished write off the log`);
  }
}

const REPAIR =
  "Move this directory and the store's away: the node then joins the cluster anew and gets everything from the others.";

/** Whether the log goes on from this snapshot; it does not after a crash between installing one and restarting the log. */
function reaches(wal: Wal, mark: { readonly index: number; readonly term: number }): boolean {
  return mark.index < wal.baseIndex || wal.term(mark.index) === mark.term;
}

function refuseForeign(files: Files, path: string): void {
  if (!files.exists(`${path}/raft.log`)) return;
  throw new StartFailed(
    `${path} holds the Raft log of a Go NATS Streaming server, which this server cannot continue. ` +
      `Give another cluster log path and an empty store; channels can be imported from the old message files.`,
  );
}

function checkKnown(known: MemberRecord, options: CheckedOptions, path: string): void {
  if (known.clusterId !== options.clusterId) {
    throw new StartFailed(
      `cluster ID ${JSON.stringify(options.clusterId)} does not match recovered value of ${
        JSON.stringify(known.clusterId)
      }`,
    );
  }
  if (options.nodeId !== "" && known.nodeId !== options.nodeId) {
    throw new StartFailed(
      `cluster node ID ${JSON.stringify(options.nodeId)} does not match ${
        JSON.stringify(known.nodeId)
      } recovered from ${path}`,
    );
  }
}

function takeLock(files: Files, path: string): FileLock {
  const lock = files.lock(`${path}/lock`);
  if (lock === undefined) throw new StartFailed(`cluster log path ${path} is in use by another process`);
  return lock;
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
  };
}

/** The 16 bytes of an identity in hexadecimal digits; zeros for none. */
export function identityBytes(identity: string): Uint8Array {
  const bytes = new Uint8Array(16);
  for (let i = 0; i < 16 && identity !== ""; i++) bytes[i] = parseInt(identity.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

function summarize(wal: Wal, snapshot: Snapshot | undefined): LogSummary {
  const runs: TermRun[] = [];
  const memberships: MembershipAt[] = [];
  let identityIndex = 0;
  let identityInLog = "";
  for (let index = wal.baseIndex + 1; index <= wal.lastIndex; index++) {
    const term = wal.term(index)!;
    if (runs.length === 0 || runs[runs.length - 1]!.term !== term) runs.push({ from: index, term });
    const kind = wal.kind(index);
    if (kind !== MEMBERSHIP && kind !== IDENTITY) continue;
    const stored = readEntry(wal, index);
    const entry = entryFrom(stored.kind, index, term, stored.payload);
    if (entry.kind === "membership") memberships.push({ index, membership: entry.membership });
    else if (entry.kind === "identity") {
      identityIndex = index;
      identityInLog = entry.identity;
    }
  }
  return {
    baseIndex: wal.baseIndex,
    baseTerm: wal.baseTerm,
    lastIndex: wal.lastIndex,
    runs,
    memberships,
    snapshot: snapshot?.mark,
    identityIndex,
    identityInLog,
    commit: Math.min(wal.commitHint, wal.lastIndex),
  };
}

function readEntry(wal: Wal, index: number): WalEntry {
  try {
    return wal.read(index, index + 1, 0)[0]!;
  } catch (cause) {
    if (cause instanceof FileFailed) throw cause;
    const text = `cluster log ${wal.directory}: entry ${index} cannot be decrypted: ${(cause as Error).message}`;
    throw new StartFailed(text, 1, { cause });
  }
}
