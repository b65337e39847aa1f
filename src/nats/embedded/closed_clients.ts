/** The connections that ended lately, for monitoring; the oldest make room. */
import type { ClientSession } from "./client_session.ts";

export class ClosedClients {
  #ring: ClientSession[] = [];
  #next = 0;
  #total = 0;

  /** How many have ended since the start, forgotten ones included. */
  get total(): number {
    return this.#total;
  }

  /** Notes one; at most `limit` are kept. */
  add(session: ClientSession, limit: number): void {
    this.#total++;
    if (limit <= 0) return;
    if (this.#ring.length < limit) {
      this.#ring.push(session);
      return;
    }
    this.#ring[this.#next % limit] = session;
    this.#next++;
  }

  /** Those that are kept, in no particular order. */
  list(): readonly ClientSession[] {
    return this.#ring;
  }
}
