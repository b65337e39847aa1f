/** The connections that ended lately, for monitoring; the oldest make room. */
import type { ConnectionView } from "./connection_view.ts";

export class ClosedClients {
  #ring: ConnectionView[] = [];
  #next = 0;
  #total = 0;

  /** How many have ended since the start, forgotten ones included. */
  get total(): number {
    return this.#total;
  }

  /** Notes one; at most `limit` are kept. */
  add(view: ConnectionView, limit: number): void {
    this.#total++;
    if (limit <= 0) return;
    if (this.#ring.length < limit) {
      this.#ring.push(view);
      return;
    }
    this.#ring[this.#next % limit] = view;
    this.#next++;
  }

  /** Those that are kept, in no particular order. */
  list(): readonly ConnectionView[] {
    return this.#ring;
  }
}
