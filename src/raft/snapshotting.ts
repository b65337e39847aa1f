/**
 * Takes snapshots of this node when its log has grown, and puts another node's in place of its own state when it is too
 * far behind (spec clustering, section 11.6).
 */
import type { Clock } from "../ports/clock.ts";
import type { MessageSource, Replica } from "../ports/journal.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { Millis } from "../protocol/units.ts";
import type { Applying } from "./applying.ts";
import { Abandoned, type Backfill, type IsDeleted, type Snapshot } from "./snapshots/mod.ts";
import type { Entry, NodeId, SnapshotMark } from "./core/mod.ts";
import type { RaftNode } from "./node.ts";
import type { CheckedOptions } from "./options.ts";
import type { Digests } from "./digests.ts";
import type { RaftDirectory } from "./raft_directory.ts";
import { waited } from "./members/mod.ts";

export interface SnapshottingParts {
  readonly options: CheckedOptions;
  readonly directory: RaftDirectory;
  readonly node: RaftNode;
  readonly applying: Applying;
  readonly replica: Replica;
  readonly backfill: Backfill;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly digests: Digests;
  /** By the part of the log that is known to be committed. */
  readonly isDeleted: IsDeleted;
  pinned(): { readonly index: number; readonly term: number } | undefined;
  stopped(): boolean;
  failed(error: unknown): void;
}

const RETRY: Millis = 1000;
/** A snapshot that fails is tried again after a second, then two, at most after this (S8). */
const LATEST_RETRY: Millis = 60_000;

export class Snapshotting {
  readonly #parts: SnapshottingParts;
  #lastIndex: number;
  #entries: number;
  #bytes = 0;
  #bytesLimit = 0;
  #entriesLimit = 0;
  #busy = false;
  #usable = false;
  #replacing: Promise<void> = Promise.resolve();
  #ending = false;
  /** When one that failed may be tried again, whatever has been applied since. */
  #retryAt: Millis = Infinity;
  #retryAfter: Millis = 0;

  constructor(parts: SnapshottingParts) {
    this.#parts = parts;
    this.#lastIndex = parts.directory.snapshot?.mark.index ?? 0;
    this.#entries = 0;
    this.#drawLimits();
  }

  /** The index of the newest snapshot. */
  get lastIndex(): number {
    return this.#lastIndex;
  }

  /**
   * Brings the replica to the newest snapshot, in the background where messages have to be fetched: until then this node
   * stands for no election and applies nothing (P8).
   */
  async recover(): Promise<void> {
    try {
      if (await this.#alone(() => this.#restoreOwn())) this.#becomeUsable();
    } catch (error) {
      if (!this.#parts.stopped()) this.#parts.failed(error);
    }
  }

  /** The state is as of the newest snapshot, or a later entry. */
  get usable(): boolean {
    return this.#usable;
  }

  /**
   * For this node's own snapshot: its messages were durable before it was, so that where a sound store lacks them, and the
   * log deletes their channel, that was done before this start. Nobody may have them any more, and nobody needs them.
   */
  get #ownSource(): MessageSource {
    const { backfill, isDeleted, directory, replica } = this.#parts;
    if (directory.member.doubtful || (replica.damages ?? []).length > 0) return backfill;
    return {
      fetch: (channel, incarnation, from, to, take) => backfill.fetch(channel, incarnation, from, to, take, isDeleted),
      agrees: (channel, incarnation, first, last) => backfill.agrees(channel, incarnation, first, last),
    };
  }

  /** `false` when that was interrupted, or has been done before. */
  async #restoreOwn(): Promise<boolean> {
    if (this.#usable) return false;
    const { directory, node, replica } = this.#parts;
    const { snapshot } = directory;
    if (directory.member.renewal === "begun") {
      if (!await this.#untilDone(() => replica.empty?.())) return false;
      directory.updateMember({ renewal: undefined });
    }
    if (directory.member.doubtful) replica.doubt?.();
    if (snapshot === undefined) return true;
    node.poke((raft) => raft.setElectable(false));
    if (!await this.#untilDone(() => replica.restore(snapshot.state, this.#ownSource))) return false;
    this.#noteDigest(snapshot.mark);
    return !directory.member.doubtful || await this.#untilDone(() => this.#noteCertain());
  }

  /** The state is what some snapshot, or the beginning, says: entries may be applied to it. */
  #becomeUsable(): void {
    const { directory, node, applying, log } = this.#parts;
    this.#usable = true;
    node.poke((raft) => raft.setElectable(true));
    directory.report.tell(log);
    applying.release();
  }

  /** One after the other: two states that replaced this one at once would be mixed. */
  #alone<T>(run: () => Promise<T>): Promise<T> {
    const mine = this.#replacing.then(run);
    this.#replacing = mine.then(() => {}, () => {});
    return mine;
  }

  /**
   * A node that has caught up has applied all there is: what its store holds besides is none of this cluster's. Until then
   * a start would look at everything again.
   */
  async endDoubt(): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    await this.#alone(async () => {
      const { applying, replica, directory } = this.#parts;
      if (!this.#usable || !directory.member.doubtful) return;
      await applying.hold();
      await this.#untilDone(() => replica.endDoubt?.());
      await this.#untilDone(() => this.#noteCertain());
      applying.release();
    });
    this.#ending = false;
  }

  /** The store holds what belongs to this node's state, and that for certain. */
  async #noteCertain(): Promise<void> {
    await this.#parts.replica.settle?.();
    this.#parts.directory.updateMember({ doubtful: false });
  }

  /** Entries up to this one were applied: takes a snapshot when enough came together. */
  applied(entry: Entry, count: number, bytes: number): void {
    this.#entries += count;
    this.#bytes += bytes;
    const isDue = this.#entries >= this.#entriesLimit || this.#bytes >= this.#bytesLimit ||
      this.#parts.clock.now() >= this.#retryAt;
    if (this.#busy || !isDue) return;
    void this.take(entry.index);
  }

  /** Takes a snapshot of the state as of `index`, the last entry applied. Failing leaves everything as before (S8). */
  async take(index: number): Promise<void> {
    const { directory, replica, node, applying, log } = this.#parts;
    const term = directory.wal.term(index);
    if (term === undefined || this.#busy) return;
    this.#busy = true;
    this.#drawLimits();
    this.#retryAt = Infinity;
    try {
      const { identity } = directory.member;
      const mark: SnapshotMark = { index, term, membership: applying.membership, identity };
      const state = await replica.snapshot();
      await replica.settle?.();
      if (this.#parts.stopped()) return;
      await directory.snapshots.write({ mark, state }, this.#parts.pinned);
      // Another node's may have been installed meanwhile.
      this.#lastIndex = Math.max(this.#lastIndex, index);
      this.#retryAfter = 0;
      log.debug(`took snapshot ${index} of ${state.length} bytes`);
      if (this.#parts.stopped()) return;
      node.poke((raft) => raft.snapshotTaken(mark));
      // A state that this node came to by itself knows no channel whose messages are in doubt.
      if (directory.member.doubtful) void this.endDoubt();
    } catch (error) {
      log.error(`Unable to take a snapshot: ${(error as Error).message}`);
      this.#retryAfter = Math.min(Math.max(RETRY, 2 * this.#retryAfter), LATEST_RETRY);
      this.#retryAt = this.#parts.clock.now() + this.#retryAfter;
      this.#retryLater(this.#retryAfter);
    } finally {
      this.#busy = false;
    }
  }

  /** Though nothing more may come to be applied: the log is to be cut all the same. */
  #retryLater(after: Millis): void {
    const { clock, applying, stopped } = this.#parts;
    clock.wakeAt(clock.now() + after, () => {
      if (stopped() || this.#busy || clock.now() < this.#retryAt) return;
      const index = applying.restsAt;
      if (index === undefined) this.#retryLater(RETRY);
      else void this.take(index);
    });
  }

  /** The leader says that this node needs a snapshot: fetches it and puts it in place of what is here (S3). */
  async install(from: NodeId, mark: SnapshotMark): Promise<void> {
    const { log, backfill } = this.#parts;
    try {
      log.notice(`fetching snapshot ${mark.index} from node ${JSON.stringify(from)}`);
      const snapshot = await backfill.snapshot(mark, from);
      if (snapshot === undefined || this.#parts.stopped()) return this.#giveUp();
      // What this node's own snapshot may still lack is not needed any more.
      if (!this.#usable) backfill.interrupt();
      await this.#alone(() => this.#replaceBy(snapshot));
    } catch (error) {
      if (!this.#parts.stopped()) this.#parts.failed(error);
    }
  }

  async #replaceBy(snapshot: Snapshot): Promise<void> {
    const { node, applying, log, backfill, directory, replica } = this.#parts;
    const { mark } = snapshot;
    await applying.hold();
    if (!node.poke((raft) => raft.mayInstall(mark))) return this.#goOn();
    // Cut short, this leaves a store that is partly one state's and partly the other's.
    directory.updateMember({ doubtful: true });
    replica.doubt?.();
    if (!await this.#untilDone(() => replica.restore(snapshot.state, backfill))) return this.#giveUp();
    await replica.settle?.();
    backfill.snapshotKept();
    await directory.snapshots.write(snapshot, this.#parts.pinned);
    // The next start goes on from it: the log of a node that has stopped is not written to any more.
    if (this.#parts.stopped()) return;
    directory.updateMember({ doubtful: false });
    this.#lastIndex = mark.index;
    this.#noteDigest(mark);
    this.#drawLimits();
    applying.replaced(mark);
    node.poke((raft) => raft.snapshotInstalled(mark));
    log.notice(`installed snapshot ${mark.index}`);
    this.#becomeUsable();
  }

  #noteDigest({ index }: SnapshotMark): void {
    const { digests, replica } = this.#parts;
    digests.clear();
    digests.note(index, replica.digest ?? 0);
  }

  #giveUp(): void {
    if (this.#parts.stopped()) return;
    this.#parts.node.poke((raft) => raft.snapshotFailed());
    this.#goOn();
  }

  /** With the state that is here; where there is none yet, with getting it. */
  #goOn(): void {
    if (this.#usable) this.#parts.applying.release();
    else void this.recover();
  }

  /** Tries until it succeeds; `false` when this server stops first, or something newer took its place. */
  async #untilDone(run: () => unknown): Promise<boolean> {
    for (;;) {
      try {
        await run();
        return !this.#parts.stopped();
      } catch (error) {
        if (this.#parts.stopped() || error instanceof Abandoned) return false;
        this.#parts.log.error(`Unable to restore from a snapshot, trying again: ${(error as Error).message}`);
        await waited(this.#parts.clock, RETRY);
      }
    }
  }

  /** Not on all nodes at once: each waits up to half as long again (S1). */
  #drawLimits(): void {
    const { options, random } = this.#parts;
    const spread = 1 + random.below(1000) / 2000;
    this.#entries = 0;
    this.#bytes = 0;
    this.#entriesLimit = Math.ceil(options.snapshotEntries * spread);
    this.#bytesLimit = Math.ceil(options.snapshotBytes * spread);
  }
}
