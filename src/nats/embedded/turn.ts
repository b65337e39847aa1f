/**
 * Decides when the end of a batch is: what was published is flushed, and those who gather work are told, once per run of
 * received bytes. With one busy connection that is at once; with several it is the end of the turn, so that their work
 * shares writes.
 */
import type { Clock } from "../../ports/clock.ts";
import type { Outbox } from "./outbox.ts";

/** Chunks in a row from one connection after which it is taken for the only busy one. */
const ALONE = 2;

export class Turn {
  readonly #clock: Clock;
  #dirty: Outbox[] = [];
  #listeners: (() => void)[] = [];
  #scheduled = false;
  #reading = false;
  /** Whether anything is to be done at the end of the batch. */
  #work = false;
  #lastSource: object | undefined;
  #inARow = 0;
  readonly #end = () => {
    this.#scheduled = false;
    this.#finish();
  };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `listener` at the end of every batch, before output is flushed. */
  onEnd(listener: () => void): void {
    this.#listeners.push(listener);
  }

  offEnd(listener: () => void): void {
    this.#listeners = this.#listeners.filter((known) => known !== listener);
  }

  /** A connection begins to hand out what it read. */
  begin(source: object): void {
    this.#reading = true;
    if (source === this.#lastSource) this.#inARow++;
    else this.#inARow = 0;
    this.#lastSource = source;
  }

  /** The connection has handed out everything. */
  end(): void {
    this.#reading = false;
    if (this.#scheduled || !this.#work) return;
    if (this.#inARow >= ALONE) this.#finish();
    else this.#schedule();
  }

  /** This outbox has something to send, in this batch or outside of any. */
  mark(outbox: Outbox): void {
    if (outbox.dirty) return;
    outbox.dirty = true;
    this.#dirty.push(outbox);
    this.touch();
  }

  /** There is something to do at the end of the batch. */
  touch(): void {
    this.#work = true;
    if (!this.#reading) this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.soon(this.#end);
  }

  #finish(): void {
    this.#work = false;
    const listeners = this.#listeners;
    // What listeners publish belongs to this batch.
    this.#reading = true;
    for (let i = 0; i < listeners.length; i++) listeners[i]!();
    this.#reading = false;
    const dirty = this.#dirty;
    for (let i = 0; i < dirty.length; i++) {
      const outbox = dirty[i]!;
      outbox.dirty = false;
      outbox.flush();
    }
    dirty.length = 0;
  }
}
