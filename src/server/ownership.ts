/**
 * Whose a shared store is: a note beside its lock with an identity of the store and a number that grows with each server
 * that becomes active. A server that finds another's note there has lost the store, whatever the lock says (spec
 * clustering, section 9).
 */
import { type Store, StoreFailed } from "../ports/store.ts";
import { StartFailed } from "../protocol/errors.ts";
import type { Nuid } from "../protocol/nuid.ts";

interface Note {
  /** The store's own identity, from its first use by a group on. */
  readonly store: string;
  readonly epoch: number;
  readonly group: string;
  readonly server: string;
}

export interface OwnershipParts {
  readonly store: Pick<Store, "readOwner" | "writeOwner">;
  readonly group: string;
  readonly serverId: string;
  readonly nuid: Nuid;
}

export class Ownership {
  readonly #parts: OwnershipParts;
  #own = "";
  #identity = "";

  constructor(parts: OwnershipParts) {
    this.#parts = parts;
  }

  /** The store's identity; empty before {@link claim}, and for stores that keep no note. */
  get identity(): string {
    return this.#identity;
  }

  /**
   * Writes this server's note. To be called with the lock held. `expected`: the identity of the store that the last active
   * server had; empty when unknown. Throws StartFailed when this is another store, StoreFailed when it cannot be written.
   */
  claim(expected: string): void {
    const { store, group, serverId, nuid } = this.#parts;
    if (store.readOwner === undefined || store.writeOwner === undefined) return;
    const last = decoded(store.readOwner());
    if (expected !== "" && last?.store !== expected) {
      throw new StartFailed(
        `ft: this server's store is not the one that the active server of group "${group}" had; ` +
          "let the directory (-dir) of all servers of a group be the same shared one",
      );
    }
    const note = { store: last?.store ?? nuid.next(), epoch: (last?.epoch ?? 0) + 1, group, server: serverId };
    this.#own = `${JSON.stringify(note)}\n`;
    this.#identity = note.store;
    store.writeOwner(this.#own);
  }

  /** Throws StoreFailed `io` when another server has claimed the store since, or the note cannot be read. */
  check(): void {
    const { store } = this.#parts;
    if (this.#own === "" || store.readOwner === undefined) return;
    const found = store.readOwner();
    if (found === this.#own) return;
    const other = decoded(found)?.server;
    const who = other === undefined ? "the note of its owner is gone" : `server "${other}" has taken it`;
    throw new StoreFailed("io", `ft: the store is no longer this server's: ${who}`);
  }
}

/** `undefined` for what is no note. */
function decoded(text: string): Note | undefined {
  try {
    const { store, epoch, group, server } = JSON.parse(text);
    const isNote = typeof store === "string" && store !== "" && Number.isSafeInteger(epoch) &&
      typeof group === "string" && typeof server === "string";
    return isNote ? { store, epoch, group, server } : undefined;
  } catch {
    return undefined;
  }
}
