/** What the rest of the server knows of its routes to other servers: enough for delivery, totals and monitoring. */
import type { ClusterOptions } from "../options.ts";
import type { Interest } from "../subjects/mod.ts";
import type { Millis, Nanos } from "../../../protocol/units.ts";

/** One route as monitoring shows it (spec nats-server, section 5). */
export interface RouteView {
  readonly id: number;
  readonly remoteId: string;
  readonly remoteName: string;
  readonly didSolicit: boolean;
  readonly isConfigured: boolean;
  readonly host: string;
  readonly port: number;
  readonly started: Nanos;
  readonly lastActivity: Nanos;
  /** 0 before the first answer to a ping. */
  readonly roundTrip: Millis;
  readonly pendingBytes: number;
  readonly inMessages: number;
  readonly outMessages: number;
  readonly inBytes: number;
  readonly outBytes: number;
  /** What the other server wants. */
  readonly interests: readonly Interest[];
}

export interface RouteTable {
  list(): readonly RouteView[];
  /** Messages and bytes of routes that are gone. */
  readonly past: { inMessages: number; outMessages: number; inBytes: number; outBytes: number };
  /** The bound address of the route port; `undefined` when there is none. */
  readonly address: { readonly host: string; readonly port: number } | undefined;
  /** `host:port` of the configured routes. */
  readonly urls: readonly string[];
  /** Takes over what of its options can change while it runs. */
  reload(options: ClusterOptions): void;
  /** This server becomes a lame duck: the other servers are told. */
  lameDuck(): void;
  close(): Promise<void>;
}

/** A server without routes. */
export const noRoutes: RouteTable = {
  list: () => [],
  past: { inMessages: 0, outMessages: 0, inBytes: 0, outBytes: 0 },
  address: undefined,
  urls: [],
  reload() {},
  lameDuck() {},
  close: () => Promise.resolve(),
};
