/** Collects what the caller will owe until the next `Ready` is taken, and counts the tickets of writes. */
import type { MembershipAt, NodeId } from "./membership.ts";
import type { Message, SnapshotMark } from "./messages.ts";
import type { Fetch, HardState, Notice, Outgoing, ReadResult, Ready, RoleChange, Ticket } from "./ready.ts";
import type { RaftLog } from "./log.ts";

/** Notices that say the same thing again and again are said once a subject; so many subjects are remembered. */
const REMEMBERED_NOTICES = 1_000;

export class Outbox {
  /** Of the last write handed out. */
  #lastTicket: Ticket = 0;
  #storedTicket: Ticket = 0;
  /** The write that holds the newest hard state. */
  #hardStateTicket: Ticket = 0;
  #hardState: HardState | undefined;
  #restartLogAt: { readonly index: number; readonly term: number } | undefined;
  #cutThrough = 0;
  #messages: Outgoing[] = [];
  #fetches: Fetch[] = [];
  #install: { readonly from: NodeId; readonly snapshot: SnapshotMark } | undefined;
  #roleChange: RoleChange | undefined;
  #reads: ReadResult[] = [];
  #membership: MembershipAt | undefined;
  #identity: string | undefined;
  #notices: Notice[] = [];
  readonly #said = new Set<string>();
  #reportedCommit = 0;

  constructor(commit: number) {
    this.#reportedCommit = commit;
  }

  /** Asks for `hardState` to be saved; returns the ticket of that write. */
  save(hardState: HardState): Ticket {
    this.#hardState = hardState;
    this.#hardStateTicket = this.#lastTicket + 1;
    return this.#hardStateTicket;
  }

  /** The write that holds the newest hard state if it is not durable yet, else 0. */
  get unsavedHardState(): Ticket {
    return this.#hardStateTicket > this.#storedTicket ? this.#hardStateTicket : 0;
  }

  restartLog(index: number, term: number): void {
    this.#restartLogAt = { index, term };
    this.#cutThrough = 0;
  }

  cutLog(through: number): void {
    this.#cutThrough = Math.max(this.#cutThrough, through);
  }

  /** No message leaves before the term it speaks for is durable (E5, P1). */
  send(message: Message): void {
    this.#messages.push({ message, after: this.unsavedHardState });
  }

  fetch(fetch: Fetch): void {
    this.#fetches.push(fetch);
  }

  install(from: NodeId, snapshot: SnapshotMark): void {
    this.#install = { from, snapshot };
  }

  /** Of several changes in one turn only the last is told. */
  changeRole(change: RoleChange): void {
    this.#roleChange = change;
  }

  answerRead(result: ReadResult): void {
    this.#reads.push(result);
  }

  changeMembership(membership: MembershipAt): void {
    this.#membership = membership;
  }

  learnIdentity(identity: string): void {
    this.#identity = identity;
  }

  notice(notice: Notice): void {
    this.#notices.push(notice);
  }

  /** A notice that is not repeated for the same `subject`. */
  noticeOnce(subject: string, notice: Notice): void {
    if (this.#said.has(subject) || this.#said.size >= REMEMBERED_NOTICES) return;
    this.#said.add(subject);
    this.#notices.push(notice);
  }

  /** Notes that writes up to `ticket` are durable. */
  stored(ticket: Ticket): void {
    if (ticket > this.#storedTicket) this.#storedTicket = ticket;
  }

  get lastTicket(): Ticket {
    return this.#lastTicket;
  }

  hasReady(log: RaftLog): boolean {
    return this.#hardState !== undefined || this.#restartLogAt !== undefined || log.written < log.lastIndex ||
      this.#cutThrough > 0 || this.#messages.length > 0 || this.#fetches.length > 0 ||
      this.#install !== undefined || this.#roleChange !== undefined || this.#reads.length > 0 ||
      this.#membership !== undefined || this.#identity !== undefined || this.#notices.length > 0 ||
      log.commit > this.#reportedCommit;
  }

  /** Hands everything over and starts afresh. `committed` is what is to be applied now. */
  take(log: RaftLog, committed: Ready["committed"]): Ready {
    const writes = this.#hardState !== undefined || this.#restartLogAt !== undefined || this.#cutThrough > 0 ||
      log.written < log.lastIndex;
    if (writes) this.#lastTicket++;
    const ready: Ready = {
      ticket: writes ? this.#lastTicket : 0,
      hardState: this.#hardState,
      restartLogAt: this.#restartLogAt,
      entries: writes ? log.takeUnwritten(this.#lastTicket) : [],
      cutThrough: this.#cutThrough,
      commit: log.commit,
      messages: this.#messages,
      committed,
      fetches: this.#fetches,
      install: this.#install,
      roleChange: this.#roleChange,
      reads: this.#reads,
      membership: this.#membership,
      identity: this.#identity,
      notices: this.#notices,
    };
    this.#clear(log.commit);
    return ready;
  }

  takeMessages(): readonly Outgoing[] {
    const messages = this.#messages;
    this.#messages = [];
    return messages;
  }

  #clear(commit: number): void {
    this.#hardState = undefined;
    this.#restartLogAt = undefined;
    this.#cutThrough = 0;
    this.#messages = [];
    this.#fetches = [];
    this.#install = undefined;
    this.#roleChange = undefined;
    this.#reads = [];
    this.#membership = undefined;
    this.#identity = undefined;
    this.#notices = [];
    this.#reportedCommit = commit;
  }
}
