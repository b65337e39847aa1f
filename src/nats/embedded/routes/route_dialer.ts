/**
 * Dials other servers: configured ones for ever, those heard of a limited number of times (spec nats-server, section 3.5).
 * One that was reached before and lost is tried for longer than the reference does: two servers that nobody told of each
 * other twice would else stay apart, and messages take one hop only.
 */
import type { Cancel } from "../../../ports/clock.ts";
import type { Connection } from "../../../ports/network.ts";
import type { ClusterOptions } from "../options.ts";
import type { Millis } from "../../../protocol/units.ts";
import { nameOf, parseRouteUrl, type RouteUrl } from "./route_urls.ts";
import type { RouteHost } from "./route_host.ts";

const DIAL_TIMEOUT: Millis = 1_000;
const RETRY: Millis = 1_000;
/** A random wait beside the fixed one: it parts two servers that dial each other in step. */
const SPREAD: Millis = 100;
/** Attempts for a server that was reached before; the waits between them double up to the longest, a few minutes in all. */
const ATTEMPTS_WHEN_LOST = 12;
const LONGEST_WAIT: Millis = 30_000;
/** Failed attempts of one route between two log lines, the first aside: before it was ever reached, and later. */
const REPORTS = { first: 3_600, again: 1 };
/** Servers heard of that are dialed at the same time; more wait for the next time they are heard of. */
const MOST_HEARD_OF = 1_000;

/** How often one server is dialed. */
interface Plan {
  readonly attempts: number;
  /** The wait after a failed attempt is a second at first, then doubled up to this. */
  readonly longestWait: Millis;
  readonly reportEvery: number;
}

export class RouteDialer {
  readonly #host: RouteHost;
  readonly #upgradable: boolean;
  #connectRetries = 0;
  #reports: { readonly first: number; readonly again: number } = REPORTS;
  /** The configured routes. */
  urls: readonly RouteUrl[] = [];
  readonly #connected: (connection: Connection, url: RouteUrl) => Promise<boolean>;
  readonly #isPresent: (serverId: string) => boolean;
  /** Timers of dials to come. */
  readonly #timers = new Set<Cancel>();
  /** Servers heard of, by id, while they are being dialed. */
  readonly #dialing = new Set<string>();
  #closed = false;

  /**
   * `connected` answers whether the connection came to serve; from then on it says itself when to dial {@link again}.
   * `isPresent` tells whether there is a route to a server.
   */
  constructor(
    options: ClusterOptions,
    host: RouteHost,
    connected: (connection: Connection, url: RouteUrl) => Promise<boolean>,
    isPresent: (serverId: string) => boolean,
  ) {
    this.#host = host;
    this.#upgradable = options.tls !== undefined;
    this.#connected = connected;
    this.#isPresent = isPresent;
    this.#configure(options);
  }

  /** Dials the configured routes now, and each until it is reached. */
  start(): void {
    for (const url of this.urls) void this.#dial(url, this.#forEver(this.#reports.first));
  }

  /** Takes over other routes: dials the new ones, and answers those that are configured no more. */
  reload(options: ClusterOptions): readonly RouteUrl[] {
    const before = this.urls;
    this.#configure(options);
    for (const url of this.urls) if (!before.includes(url)) void this.#dial(url, this.#forEver(this.#reports.first));
    return before.filter((url) => !this.urls.includes(url));
  }

  /** A route that is configured as before stays the same object. */
  #configure(options: ClusterOptions): void {
    this.#connectRetries = options.connectRetries ?? 0;
    this.#reports = options.reportFailures ?? REPORTS;
    const urls = new Map<string, RouteUrl>();
    for (const url of (options.routes ?? []).map(parseRouteUrl)) urls.set(nameOf(url), url);
    const known = (url: RouteUrl) => this.urls.find((one) => JSON.stringify(one) === JSON.stringify(url));
    this.urls = [...urls.values()].map((url) => known(url) ?? url);
  }

  /** A configured route was lost. */
  again(url: RouteUrl): void {
    if (this.#isRemoved(url)) return;
    this.#later(
      RETRY + this.#host.random.below(SPREAD),
      () => void this.#dial(url, this.#forEver(this.#reports.again)),
    );
  }

  #isRemoved(url: RouteUrl): boolean {
    return url.configured && !this.urls.includes(url);
  }

  #forEver(reportEvery: number): Plan {
    return { attempts: Infinity, longestWait: RETRY, reportEvery };
  }

  /** Another server was heard of, or a route to it `lost`. Configured ones are dialed anyway. */
  heardOf(url: RouteUrl, serverId: string, lost: boolean): void {
    if (this.#dialing.has(serverId) || this.#dialing.size >= MOST_HEARD_OF) return;
    if (this.urls.some((known) => nameOf(known) === nameOf(url))) return;
    this.#dialing.add(serverId);
    const { first, again } = this.#reports;
    const whenLost = { attempts: ATTEMPTS_WHEN_LOST, longestWait: LONGEST_WAIT, reportEvery: again };
    const whenNew = { attempts: 1 + this.#connectRetries, longestWait: RETRY, reportEvery: first };
    const dial = async () => {
      try {
        await this.#dial(url, lost ? whenLost : whenNew, serverId);
      } finally {
        this.#dialing.delete(serverId);
      }
    };
    if (lost) this.#later(this.#host.random.below(SPREAD), () => void dial());
    else void dial();
  }

  close(): void {
    this.#closed = true;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }

  async #dial(url: RouteUrl, { attempts, longestWait, reportEvery }: Plan, serverId?: string): Promise<void> {
    let wait = RETRY;
    for (let attempt = 1; attempt <= attempts && !this.#closed; attempt++) {
      if (serverId !== undefined && this.#isPresent(serverId)) return;
      if (this.#isRemoved(url)) return;
      if (await this.#try(url, attempt, reportEvery)) return;
      if (attempt === attempts) return;
      await new Promise<void>((resolve) => this.#later(wait, resolve));
      wait = Math.min(2 * wait, longestWait);
    }
  }

  async #try(url: RouteUrl, attempt: number, reportEvery: number): Promise<boolean> {
    const { network, log } = this.#host;
    try {
      const connection = await network.dial(url, {
        timeout: DIAL_TIMEOUT,
        ...(this.#upgradable ? { upgradable: true } : {}),
      });
      const isUnwanted = this.#closed || this.#isRemoved(url);
      if (isUnwanted) connection.close();
      return isUnwanted || await this.#connected(connection, url);
    } catch (error) {
      if (attempt === 1 || attempt % reportEvery === 0) {
        log.error(`Error trying to connect to route (attempt ${attempt}): ${(error as Error).message}`);
      }
      return false;
    }
  }

  #later(wait: Millis, run: () => void): void {
    if (this.#closed) return;
    const cancel = this.#host.clock.wakeAt(this.#host.clock.now() + wait, () => {
      this.#timers.delete(cancel);
      if (!this.#closed) run();
    });
    this.#timers.add(cancel);
  }
}
