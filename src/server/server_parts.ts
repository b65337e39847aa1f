/** What a server is made of, and what it is told. */
import type { Clock } from "../ports/clock.ts";
import type { Journal } from "../ports/journal.ts";
import type { Log } from "../ports/log.ts";
import type { MessageBus } from "../ports/message_bus.ts";
import type { Random } from "../ports/random.ts";
import type { RecoveredState, Store } from "../ports/store.ts";
import type { Nuid } from "../protocol/nuid.ts";
import type { SetLimits } from "../protocol/operations.ts";
import type { MachineSettings } from "../streaming/mod.ts";
import type { Partitions } from "./partitions.ts";

export interface ServerSettings extends MachineSettings {
  readonly clusterId: string;
  readonly discoverPrefix: string;
  readonly clustered: boolean;
  readonly replaceDurable: boolean;
  readonly allowShortAckWait: boolean;
  readonly batchMessages: number;
  readonly limits: Pick<SetLimits, "maxChannels" | "channels">;
}

/** What a server is made of. */
export interface ServerParts {
  readonly settings: ServerSettings;
  readonly store: Store;
  readonly bus: MessageBus;
  /** With partitioning: which channels are this server's. */
  readonly partitions?: Partitions;
  /** Where stores are shared: throws StoreFailed when the store is no longer this server's. */
  readonly fence?: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Makes the journal once the store is read; with what was recovered of this server's identity. */
  readonly journal: (recovered: RecoveredState | undefined, nuid: Nuid) => Journal | Promise<Journal>;
  /** The server cannot go on: told once, after it has fallen silent. */
  readonly onFatal: (reason: string) => void;
}
