/** Hands committed entries out to be applied, in order, in portions, and lets an installed snapshot take their place. */
import { assert } from "./assert.ts";
import { type Entry, entryBytes, type SnapshotMark } from "./messages.ts";
import type { NodeState } from "./node_state.ts";

export class Applying {
  readonly #state: NodeState;
  /** Portions handed out and not reported as applied. */
  #portions: { readonly last: number; readonly bytes: number }[] = [];
  #bytes = 0;
  /** Read back from disk, to be handed out next. */
  #fetched: readonly Entry[] = [];
  /** Nothing could be read back; tried again with the next tick. */
  #readFailed = false;

  constructor(state: NodeState) {
    this.#state = state;
  }

  /**
   * How far entries may be applied: what is committed, and on this node's own disk. A leader does not wait for its own
   * disk, which may be the slowest (P7): what a majority holds it cannot lose.
   */
  get #limit(): number {
    const { log, switching, role } = this.#state;
    if (switching) return log.handedOut;
    return role.name === "leader" ? log.commit : Math.min(log.commit, log.durable);
  }

  /** Of what was handed out and not reported as applied. */
  get bytes(): number {
    return this.#bytes;
  }

  get canHandOut(): boolean {
    const { log, limits, fetchingToApply } = this.#state;
    return log.handedOut < this.#limit && this.#bytes < limits.applyBytes && !fetchingToApply && !this.#readFailed;
  }

  /** The next portion, perhaps empty; what is not in memory is asked back from disk. */
  handOut(): readonly Entry[] {
    if (!this.canHandOut) return [];
    const { log, limits, outbox } = this.#state;
    const from = log.handedOut + 1;
    const fetched = this.#fetched[0]?.index === from ? this.#fetched : undefined;
    this.#fetched = [];
    const entries = fetched ?? log.cache.slice(from, this.#limit, limits.applyBytes);
    if (entries === undefined) {
      this.#state.fetchingToApply = true;
      const to = Math.min(this.#limit, log.cache.first - 1);
      outbox.fetch({ purpose: "", from, to, maxBytes: limits.applyBytes });
      return [];
    }
    let bytes = 0;
    for (const entry of entries) bytes += entryBytes(entry);
    const last = entries.at(-1)!.index;
    log.handedOut = last;
    this.#portions.push({ last, bytes });
    this.#bytes += bytes;
    return entries;
  }

  fetched(entries: readonly Entry[]): void {
    const { log } = this.#state;
    this.#state.fetchingToApply = false;
    this.#readFailed = entries.length === 0;
    for (const entry of entries) {
      if (entry.index <= log.handedOut) continue;
      assert(log.termAt(entry.index) === entry.term, `entry ${entry.index} came back from disk with another term`);
    }
    this.#fetched = entries;
  }

  applied(index: number): void {
    const { log } = this.#state;
    assert(index <= log.handedOut, `${index} was applied, but only ${log.handedOut} was handed out`);
    if (index <= log.applied) return;
    log.applied = index;
    while (this.#portions.length > 0 && this.#portions[0]!.last <= index) this.#bytes -= this.#portions.shift()!.bytes;
  }

  tick(): void {
    this.#readFailed = false;
  }

  /** See {@link Raft.mayInstall}. */
  mayInstall(snapshot: SnapshotMark): boolean {
    const state = this.#state;
    if (snapshot.index <= state.log.commit || state.installing?.index !== snapshot.index) {
      state.installing = undefined;
      return false;
    }
    state.switching = true;
    return true;
  }

  /** The snapshot took the place of the state. Entries behind it stay if the log leads up to them (S4). */
  installed(snapshot: SnapshotMark): void {
    const state = this.#state;
    const { log, outbox } = state;
    assert(state.switching, "a snapshot takes the place of the state only after mayInstall");
    this.#forget();
    const before = log.membership;
    if (log.termAt(snapshot.index) === snapshot.term) {
      state.commitThrough(snapshot.index);
      log.handedOut = log.applied = snapshot.index;
      log.snapshot = snapshot;
    } else {
      log.restartAt(snapshot);
      outbox.restartLog(snapshot.index, snapshot.term);
    }
    if (log.membership !== before) outbox.changeMembership(log.membership);
    state.learnIdentity(snapshot.identity);
  }

  installFailed(): void {
    this.#state.installing = undefined;
    this.#state.switching = false;
  }

  #forget(): void {
    this.#state.installing = undefined;
    this.#state.switching = false;
    this.#portions = [];
    this.#bytes = 0;
    this.#fetched = [];
  }
}
