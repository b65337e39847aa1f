/** The follower: takes what the leader sends, acknowledges what is durable, and stands for election after silence. */
import { assert } from "./assert.ts";
import type { Append, Heartbeat, Message, SnapshotAnnounce } from "./messages.ts";
import type { NodeId } from "./membership.ts";
import type { NodeState } from "./node_state.ts";
import type { Role } from "./role.ts";

export class Follower implements Role {
  readonly name = "follower";
  readonly #state: NodeState;
  /** Ticks of silence before it campaigns (E4). */
  readonly #patience: number;
  /** When it campaigns although it heard from nobody since it became a follower. */
  #earliest: number;
  /** Everything up to here is known to equal the log of the present leader. */
  #verified: number;
  /** The last match reported. */
  #acknowledged = 0;
  /** The highest commit that the present leader told since it was asked; -1 while it has not answered. */
  #leaderCommit = -1;

  /** Campaigns no sooner than after `patience` ticks without a word from a leader, counted anew with each word. */
  constructor(state: NodeState, patience: number) {
    this.#state = state;
    this.#patience = patience;
    this.#earliest = state.now + patience;
    this.#verified = state.log.commit;
  }

  tick(): void {
    const state = this.#state;
    if (state.now < Math.max(this.#earliest, state.contact + this.#patience)) return;
    this.#earliest = state.now + this.#patience;
    state.campaign("pre-vote");
    if (state.role === this) this.#forgetLeader();
  }

  /** One that may not campaign knows of no leader any more: whoever looks after its membership has to look around. */
  #forgetLeader(): void {
    if (this.#state.leader === "") return;
    this.#state.leader = "";
    this.#state.reportRole();
  }

  /** Campaigns after `ticks` at the latest, whatever was heard before (E7). */
  hasten(ticks: number): void {
    const { now, contact } = this.#state;
    const due = Math.max(this.#earliest, contact + this.#patience);
    this.#state.contact = Math.min(contact, now - this.#patience);
    this.#earliest = due > now ? Math.min(due, now + ticks) : now + ticks;
  }

  /** Waits at least `ticks` more, so that messages which came during a stall are read first (Q4). */
  delay(ticks: number): void {
    this.#earliest = Math.max(this.#earliest, this.#state.now + ticks);
  }

  /** Forgets which entries were found equal to a leader's: there is a new one, or a new log. */
  restart(): void {
    this.#verified = this.#state.log.commit;
  }

  step(message: Message): void {
    switch (message.kind) {
      case "append":
        this.#state.hearLeader(message.from);
        return this.#append(message);
      case "heartbeat":
        this.#state.hearLeader(message.from);
        return this.#heartbeat(message);
      case "snapshot announce":
        this.#state.hearLeader(message.from);
        return this.#announce(message);
      case "timeout now":
        // No contact to wait for: who sends this has given up its lease.
        if (message.from === this.#state.leader) this.#state.campaign("transfer");
        return;
      default:
        // Late answers to what this node asked in an earlier role.
    }
  }

  stored(): void {
    this.#trustAgain();
    if (this.#durableMatch() > this.#acknowledged) this.#acknowledge();
  }

  gather(): void {}

  #append(message: Append): void {
    const { log } = this.#state;
    const { prevIndex, prevTerm, entries } = message;
    if (!isWellFormed(message)) return;
    if (prevIndex > log.commit && log.termAt(prevIndex) !== prevTerm) {
      return this.#refuse(message.from, prevIndex, message.sequence);
    }
    const last = prevIndex + entries.length;
    let written = false;
    for (const entry of entries) {
      if (entry.index <= log.commit) continue;
      const held = log.termAt(entry.index);
      if (held === entry.term) continue;
      if (held !== undefined) this.#takeBack(entry.index);
      log.append(entry);
      if (entry.kind === "membership") this.#state.outbox.changeMembership(log.membership);
      written = true;
    }
    this.#verified = Math.max(this.#verified, last);
    // Not beyond what this message proved to be equal: an older tail of this log may be longer (L2).
    this.#state.commitThrough(Math.min(message.commit, last));
    if (message.answer === this.#state.ask) this.#leaderCommit = Math.max(this.#leaderCommit, message.commit);
    this.#trustAgain();
    if (!written) this.#acknowledge();
  }

  #takeBack(index: number): void {
    const { log, outbox } = this.#state;
    const before = log.membership;
    log.truncateFrom(index);
    this.#verified = Math.min(this.#verified, index - 1);
    if (log.membership !== before) outbox.changeMembership(log.membership);
  }

  /** The entry at `prevIndex` is missing or of another term: says where the leader can go back to (L1). */
  #refuse(leader: NodeId, prevIndex: number, sequence: number): void {
    const { log, disk, ask } = this.#state;
    const conflictTerm = log.termAt(prevIndex) ?? 0;
    this.#state.answer(leader, {
      kind: "append refusal",
      sequence,
      ask: sequence === 0 ? ask : 0,
      prevIndex,
      conflictTerm,
      conflictIndex: conflictTerm === 0 ? log.lastIndex + 1 : log.firstOfRun(prevIndex),
      // What the leader may go on counting on is what is durable and known to be equal.
      lastIndex: sequence === 0 ? this.#durableMatch() : log.lastIndex,
      disk,
    });
  }

  #heartbeat(message: Heartbeat): void {
    const state = this.#state;
    const { log, outbox } = state;
    const { commit, commitTerm } = message;
    const held = log.termAt(commit);
    const differs = held !== undefined && commitTerm !== 0 && held !== commitTerm;
    if ((commit > log.lastIndex || differs) && message.expected === state.incarnation) {
      // The leader commits no more than this node had acknowledged: the disk has lost it.
      state.distrust();
      this.#leaderCommit = -1;
      const last = differs ? Math.min(log.firstOfRun(commit) - 1, log.lastIndex) : log.lastIndex;
      outbox.noticeOnce("log lost", { kind: "log lost", peer: state.id, last, acknowledged: commit });
    }
    // Equal terms mean equal entries; without that the leader may be wrong about what a disk that went back in time holds.
    if (held === commitTerm) state.commitThrough(commit);
    // A log that is not trusted asks to be compared: what the leader knows of it may be from before.
    if (state.distrustLog && this.#leaderCommit < 0) this.#refuse(message.from, log.lastIndex + 1, 0);
    state.answer(message.from, state.heartbeatReply(message.round, message.sentAt));
  }

  /**
   * A log that was not trusted is again, once it holds durably all that the leader knew to be committed after it was
   * asked (P12). The leader has to have committed something in its own term by then: before that it may not know how far
   * its forerunners were.
   */
  #trustAgain(): void {
    const { log, distrustLog, term } = this.#state;
    if (!distrustLog || this.#leaderCommit < 0 || log.termAt(log.commit) !== term) return;
    if (Math.min(this.#durableMatch(), log.commit) >= this.#leaderCommit) this.#state.distrustLog = false;
  }

  #announce(message: SnapshotAnnounce): void {
    const state = this.#state;
    const { log } = state;
    const { snapshot } = message;
    // A snapshot holds committed entries only: those that are here already are committed as well (S4).
    if (log.termAt(snapshot.index) === snapshot.term) state.commitThrough(snapshot.index);
    if (snapshot.index <= log.commit) {
      return state.answer(message.from, { kind: "snapshot reply", match: this.#durableCommit(), failed: false });
    }
    if (state.installing !== undefined) return;
    state.installing = snapshot;
    state.outbox.install(message.from, snapshot);
  }

  #durableMatch(): number {
    return Math.min(this.#verified, this.#state.log.durable);
  }

  #durableCommit(): number {
    return Math.min(this.#state.log.commit, this.#state.log.durable);
  }

  #acknowledge(): void {
    const state = this.#state;
    if (state.leader === "" || state.leader === state.id) return;
    const match = this.#durableMatch();
    assert(match <= state.log.durable, "only what is durable is acknowledged");
    this.#acknowledged = match;
    state.answer(state.leader, { kind: "append reply", match, disk: state.disk });
  }
}

/** Whether the entries follow one another, in index and term; others were not made by a leader. */
function isWellFormed({ prevIndex, prevTerm, term, entries }: Append): boolean {
  let before = prevTerm;
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i]!;
    if (entry.index !== prevIndex + 1 + i || entry.term < before) return false;
    before = entry.term;
  }
  return before <= term;
}
