/**
 * Writes what the core owes the disk, in order, and tells it what is durable: one write and one sync for everything that
 * came together. Syncing blocks while the disk is fast and somebody waits for the answer; a leader, whose followers sync
 * at the same time, and a slow disk sync beside (spec clustering, section 11.7).
 */
import type { Cancel, Clock } from "../../ports/clock.ts";
import { FileFailed } from "../../ports/files.ts";
import type { Millis } from "../../protocol/units.ts";
import type { DiskState, Ready, Ticket } from "../core/mod.ts";
import type { HardStateFile } from "./hard_state.ts";
import type { Reserve } from "./reserve.ts";
import type { Wal } from "./wal.ts";
import { entryKind, entryPayload } from "../wire/mod.ts";

export interface StoringEvents {
  /** Everything up to this ticket is durable. */
  stored(ticket: Ticket): void;
  disk(state: DiskState): void;
  /** One sync took so long that the cluster may have had to wait for it (P7). */
  slow(took: Millis): void;
  /** The disk failed; nothing more can be promised (P5). */
  failed(error: unknown): void;
}

type Write = Pick<Ready, "ticket" | "hardState" | "restartLogAt" | "entries" | "cutThrough">;

/** Above this average a sync does not block the process. */
const BLOCKING: Millis = 0.8;
/** A sync that takes longer is worth telling the leader about. */
const SLOW: Millis = 300;
const RETRY: Millis = 250;

export class Storing {
  readonly #wal: Wal;
  readonly #vote: HardStateFile;
  readonly #clock: Clock;
  readonly #events: StoringEvents;
  readonly #sync: boolean;
  /** Room for votes on a full disk. */
  readonly #reserve: Reserve | undefined;
  #queue: Write[] = [];
  /** The last ticket that was written, and the last that was told as durable. */
  #written = 0;
  #durable = 0;
  #syncing = false;
  /** A change of the members was written: synced also where nothing else is (spec clustering, section 1). */
  #membersChanged = false;
  #average: Millis = 0.3;
  #disk: DiskState = "ok";
  #retry: Cancel | undefined;
  #stopped = false;

  constructor(wal: Wal, vote: HardStateFile, clock: Clock, sync: boolean, events: StoringEvents, reserve?: Reserve) {
    this.#reserve = reserve;
    this.#wal = wal;
    this.#vote = vote;
    this.#clock = clock;
    this.#sync = sync;
    this.#events = events;
  }

  /** Everything up to this ticket is durable. */
  get durable(): Ticket {
    return this.#durable;
  }

  /** Up to here the log on the disk holds what the core goes by: beyond, on a full disk, there may be what it took back. */
  get settledThrough(): number {
    const waiting = this.#queue.find(({ entries, restartLogAt }) => entries.length > 0 || restartLogAt !== undefined);
    if (waiting === undefined) return Infinity;
    return waiting.restartLogAt === undefined ? waiting.entries[0]!.index - 1 : 0;
  }

  /** Writes, or keeps for later while the disk is full. */
  write(write: Write): void {
    if (write.ticket === 0 || this.#stopped) return;
    this.#queue.push(write);
    // While the disk is full entries wait, but a vote takes what is before it along, into the reserve.
    if (this.#retry === undefined || write.hardState !== undefined) this.#drain();
  }

  /** Makes what was written durable: at once when `blocking` and the disk is fast, else beside. */
  sync(blocking: boolean): void {
    if (this.#stopped || this.#written === this.#durable || this.#syncing) return;
    if (!this.#mustSync) return this.#tell(this.#written);
    if (!blocking || this.#average > BLOCKING) return void this.#syncBeside();
    const begun = this.#clock.now();
    this.#membersChanged = false;
    try {
      this.#wal.syncNow();
    } catch (error) {
      return this.#fail(error);
    }
    this.#note(begun);
    this.#tell(this.#written);
  }

  /** Blocks until everything written is durable; for an orderly end. */
  finish(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#retry?.();
    if (this.#wal.damage === undefined) this.#wal.syncNow();
  }

  /** Nothing is written any more. */
  abandon(): void {
    this.#stopped = true;
    this.#retry?.();
  }

  get #mustSync(): boolean {
    return this.#wal.unsynced && (this.#sync || this.#membersChanged);
  }

  #drain(): void {
    while (this.#queue.length > 0 && !this.#stopped) {
      const write = this.#queue[0]!;
      try {
        this.#perform(write);
      } catch (error) {
        if (!(error instanceof FileFailed) || error.code !== "full") return this.#fail(error);
        if (this.#reserve?.spend() === true && this.#queue.some(({ hardState }) => hardState !== undefined)) continue;
        return this.#waitForSpace();
      }
      this.#queue.shift();
      this.#written = write.ticket;
    }
    if (this.#disk === "full" && this.#reserve?.isWhole !== false) this.#become("ok");
  }

  #perform({ ticket, hardState, restartLogAt, entries, cutThrough }: Write): void {
    const essential = (run: () => void) => this.#reserve === undefined ? run() : this.#reserve.essential(run);
    if (hardState !== undefined) essential(() => this.#vote.save(hardState));
    if (restartLogAt !== undefined) essential(() => this.#wal.restart(restartLogAt.index, restartLogAt.term));
    if (entries.length > 0) {
      this.#wal.append(entries.map((entry) => ({
        index: entry.index,
        term: entry.term,
        kind: entryKind(entry),
        payload: entryPayload(entry),
      })));
      this.#membersChanged ||= entries.some(({ kind }) => kind === "membership");
    }
    if (cutThrough === 0) return;
    // Where there is no room for this, what came before it is done all the same, and not to be done twice.
    this.#queue[0] = { ticket, hardState: undefined, restartLogAt: undefined, entries: [], cutThrough };
    essential(() => this.#wal.cut(cutThrough));
  }

  /** There is room again when the reserve fits in once more. */
  #waitForSpace(): void {
    this.#become("full");
    this.#retry?.();
    this.#retry = this.#clock.wakeAt(this.#clock.now() + RETRY, () => {
      this.#retry = undefined;
      if (this.#reserve !== undefined && !this.#reserve.grow()) return this.#waitForSpace();
      this.#drain();
      this.sync(false);
    });
  }

  async #syncBeside(): Promise<void> {
    this.#syncing = true;
    try {
      while (this.#mustSync && !this.#stopped) {
        const written = this.#written;
        this.#membersChanged = false;
        const begun = this.#clock.now();
        await this.#wal.sync();
        this.#note(begun);
        if (!this.#stopped) this.#tell(written);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#syncing = false;
    }
    if (!this.#stopped && this.#written > this.#durable) this.#tell(this.#written);
  }

  #note(begun: Millis): void {
    const took = this.#clock.now() - begun;
    this.#average += (took - this.#average) / 8;
    if (took > SLOW) this.#events.slow(took);
    if (this.#disk !== "full") this.#become(took > SLOW ? "slow" : "ok");
  }

  #become(state: DiskState): void {
    if (state === this.#disk) return;
    this.#disk = state;
    this.#events.disk(state);
  }

  #tell(ticket: Ticket): void {
    if (ticket <= this.#durable) return;
    this.#durable = ticket;
    this.#events.stored(ticket);
  }

  #fail(error: unknown): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#events.failed(error);
  }
}
