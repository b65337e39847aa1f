/** What the mesh of servers asks of its own server. */
import type { Account } from "../account.ts";
import type { ClusterView } from "../cluster_view.ts";
import type { Clock } from "../../../ports/clock.ts";
import type { Delivery } from "../delivery.ts";
import type { Limits } from "../options.ts";
import type { Log } from "../../../ports/log.ts";
import type { Network } from "../../../ports/network.ts";
import type { Random } from "../../../ports/random.ts";
import type { Slabs } from "../slabs.ts";
import type { Turn } from "../turn.ts";

export interface RouteHost {
  readonly serverId: string;
  readonly serverName: string;
  readonly version: string;
  readonly limits: Limits;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly turn: Turn;
  readonly delivery: Delivery;
  readonly slabs: Slabs;
  /** Whether clients may use headers. */
  readonly headers: boolean;
  readonly accounts: ReadonlyMap<string, Account>;
  /** Where clients reach this server, `host:port`. */
  readonly clientUrls: readonly string[];
  /** The next number for a connection, whatever its kind. */
  nextConnectionId(): number;
  /** The next unique id. */
  uniqueId(): string;
  /** The cluster's name, or the client URLs of other servers, are not what they were. */
  setCluster(view: ClusterView): void;
  /** There is a route to one more server. */
  routeAdded(): void;
}
