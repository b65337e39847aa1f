/** What the suites of stores are run on. */
import type { Store } from "../../src/ports/store.ts";
import type { StoreLimits } from "../../src/store/mod.ts";
import { limitsWith } from "../support/store_messages.ts";

/** A place for stores, and what they promise beyond the port. */
export interface StorePlace {
  /** Opens a store there; what an earlier one kept is there again. */
  open(limits: StoreLimits): Store;
  /** Whether messages outlive the store. */
  readonly persistent: boolean;
  /** Whether clients and subscriptions do. */
  readonly keepsClients: boolean;
  /** Whether sequences that were never stored are filled with empty messages. */
  readonly fillsGaps: boolean;
  /** Accounting bytes of a message beyond its MsgProto. */
  readonly overhead: number;
}

/** Declares a test that gets an open store. */
export type Scenario = (
  title: string,
  run: (place: StorePlace, store: Store) => Promise<void>,
  limits?: StoreLimits,
) => void;

export const NO_LIMITS = limitsWith({});
