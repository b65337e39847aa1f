/** What the pages read of their server. */
import type { Account } from "../account.ts";
import type { Address } from "../../../ports/network.ts";
import type { ClientSession } from "../clients/mod.ts";
import type { Clock } from "../../../ports/clock.ts";
import type { ClosedClients } from "./closed_clients.ts";
import type { ClusterView } from "../cluster_view.ts";
import type { EmbeddedNatsOptions, Limits } from "../options.ts";
import type { InProcessBus } from "../in_process_bus.ts";
import type { Nanos } from "../../../protocol/units.ts";
import type { RouteTable } from "../routes/mod.ts";
import type { Totals } from "../totals.ts";

export interface ShownServer {
  readonly serverId: string;
  readonly serverName: string;
  readonly version: string;
  readonly options: EmbeddedNatsOptions;
  readonly limits: Limits;
  readonly clock: Clock;
  /** Where clients connect. */
  readonly address: Address;
  /** Whether a connection must say who it is. */
  readonly credentialsRequired: boolean;
  /** Wall time of the start, and of the last change of the options. */
  readonly started: Nanos;
  readonly configured: Nanos;
  readonly lameDuckMode: boolean;
  readonly closing: boolean;
  readonly cluster: ClusterView;
  readonly accounts: ReadonlyMap<string, Account>;
  readonly sessions: ReadonlyMap<number, ClientSession>;
  readonly closedClients: ClosedClients;
  readonly buses: ReadonlySet<InProcessBus>;
  readonly routes: RouteTable;
  /** Counts the pages that are asked for, too. */
  readonly totals: Totals;
}
