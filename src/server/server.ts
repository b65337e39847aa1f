/**
 * One streaming server: puts the parts together, starts them in the order of spec streaming, section 9.1, and stops them
 * in the order of 9.7.
 */
import type { Journal } from "../ports/journal.ts";
import type { RecoveredState } from "../ports/store.ts";
import { Nuid } from "../protocol/nuid.ts";
import type { ServerInfo } from "../protocol/stored_records.ts";
import type { Awaitable, Millis, Nanos } from "../protocol/units.ts";
import { Machine } from "../streaming/mod.ts";
import { assemble } from "./assembly.ts";
import type { Delivering } from "./delivering.ts";
import type { Holding } from "./holding.ts";
import type { Leading } from "./leading.ts";
import type { Publishing } from "./publishing.ts";
import { adopt, readStore } from "./recovering.ts";
import { Recorder } from "./recorder.ts";
import type { Replica } from "./replica.ts";
import type { RequestHolding } from "./request_holding.ts";
import type { ServerParts } from "./server_parts.ts";
import { Timers } from "./timers.ts";

/** How often stores may do their housekeeping. */
const MAINTENANCE: Millis = 1000;
/** What was published in this time before a fail-over is acknowledged again after it. */
const ACKNOWLEDGE_AGAIN: Millis = 10_000;
/** How long notes of deliveries and acks may wait for the disk: what a kill makes be delivered once more. */
const SUBSCRIPTIONS_FLUSH: Millis = 50;

export class StreamingServer {
  readonly serverId: string;
  readonly startTime: Nanos;
  readonly machine: Machine;
  readonly recorder: Recorder;
  readonly journal: Journal;
  readonly publishing: Publishing;
  readonly delivering: Delivering;
  readonly #parts: ServerParts;
  readonly #timers: Timers;
  readonly #housekeeping: Timers;
  readonly #leading: Leading;
  readonly #replica: Replica;
  readonly #holding: Holding | undefined;
  readonly #requestHolding: RequestHolding | undefined;
  #info: ServerInfo;
  #stopped: Promise<void> | undefined;

  /** Reads the store and puts a server together; {@link start} brings it to life. Rejects with StartFailed or StoreFailed. */
  static async open(parts: ServerParts, serverId: string, startTime: Nanos): Promise<StreamingServer> {
    const nuid = new Nuid(parts.random);
    parts.log.notice("Recovering the state...");
    const { recovered, info } = await readStore(parts.store, parts.settings, parts.log);
    const journal = await parts.journal(recovered, nuid);
    // Alone, a node of a cluster keeps its name: it may go back.
    const complete = { ...info, nodeId: journal.nodeId === "" ? info.nodeId : journal.nodeId };
    if (recovered?.info?.nodeId !== complete.nodeId || recovered.info.subClose === "") {
      await parts.store.init(complete);
    }
    return new StreamingServer(parts, { serverId, startTime, nuid, info: complete, journal, recovered });
  }

  private constructor(
    parts: ServerParts,
    found: {
      serverId: string;
      startTime: Nanos;
      nuid: Nuid;
      info: ServerInfo;
      journal: Journal;
      recovered: RecoveredState | undefined;
    },
  ) {
    const { store, bus, clock, log, settings } = parts;
    const { journal } = found;
    this.#parts = parts;
    this.serverId = found.serverId;
    this.startTime = found.startTime;
    this.#info = found.info;
    this.journal = journal;
    this.#timers = new Timers(clock);
    this.#housekeeping = new Timers(clock);
    const warn = (text: string) => log.warn(text);
    this.recorder = new Recorder(store, () => this.#flushSubscriptionsLater(), parts.fence, warn);
    const { clustered } = settings;
    const machineSettings = {
      ...settings,
      flagUncertain: clustered,
      acknowledgeAgain: clustered ? ACKNOWLEDGE_AGAIN : 0,
    };
    this.machine = new Machine(machineSettings, adopt(found.recovered, this.recorder, settings, log));
    const { machine, recorder } = this;
    const assembled = assemble(parts, {
      machine,
      recorder,
      journal,
      timers: this.#timers,
      nuid: found.nuid,
      info: () => this.#info,
      belongTo: (identity) => this.#belongTo(identity),
      damages: found.recovered?.damages,
    });
    this.publishing = assembled.publishing;
    this.delivering = assembled.delivering;
    this.#leading = assembled.leading;
    this.#replica = assembled.replica;
    this.#holding = assembled.holding;
    this.#requestHolding = assembled.requestHolding;
    bus.onBatchEnd(() => this.#batchEnded());
  }

  /** Joins the others, where there are any, and serves. Resolves when this server follows or leads. */
  async start(): Promise<void> {
    this.#maintainLater();
    this.#holding?.listen(this.#info);
    this.#requestHolding?.listen(this.#info);
    await this.journal.start(this.#replica);
  }

  /** Identity and subjects, as they are stored. */
  get info(): ServerInfo {
    return this.#info;
  }

  /** Publish requests and deliveries since the start; bytes of their envelopes. */
  get traffic(): { inMessages: number; inBytes: number; outMessages: number; outBytes: number } {
    const { publishing, delivering } = this;
    return {
      inMessages: publishing.inMessages,
      inBytes: publishing.inBytes,
      outMessages: delivering.outMessages,
      outBytes: delivering.outBytes,
    };
  }

  /** Stops in order; clients are not told. Idempotent. */
  stop(): Promise<void> {
    return this.#stopped ??= this.#stop();
  }

  async #stop(): Promise<void> {
    this.publishing.flush();
    await this.journal.stop();
    this.#holding?.stop();
    this.#requestHolding?.stop();
    this.#leading.follow();
    this.#housekeeping.clear();
    await this.#parts.store.close();
  }

  /** Whose messages the store holds is told by its own record, too: the cluster's log may get lost. */
  #belongTo(identity: string): Awaitable<void> {
    if (this.#info.clusterIdentity === identity) return;
    this.#info = { ...this.#info, clusterIdentity: identity };
    return this.#parts.store.init(this.#info);
  }

  /** What the turn's reads brought goes on its way: publishes first, so that deliveries see them. */
  #batchEnded(): void {
    this.publishing.batchEnded();
    this.delivering.batchEnded();
  }

  #flushSubscriptionsLater(): void {
    const { clock, log } = this.#parts;
    this.#housekeeping.set("store/subscriptions", clock.now() + SUBSCRIPTIONS_FLUSH, async () => {
      try {
        await this.recorder.flushSubscriptions();
      } catch (error) {
        log.error(`Unable to store subscriptions: ${error instanceof Error ? error.message : error}`);
      }
    });
  }

  #maintainLater(): void {
    const { clock, store } = this.#parts;
    this.#housekeeping.set("store/maintain", clock.now() + MAINTENANCE, async () => {
      try {
        await store.maintain(clock.now());
        this.#leading.maintain();
      } catch (error) {
        this.#parts.onFatal(error instanceof Error ? error.message : String(error));
      }
      if (this.#stopped === undefined) this.#maintainLater();
    });
  }
}
