/**
 * Fault tolerant mode: of several servers on one store, the one that holds the store's lock is active; the others wait
 * until its heartbeats cease and then try the lock (spec streaming, section 9.5; spec clustering, section 9).
 */
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Inbound, MessageBus, Subscription } from "../ports/message_bus.ts";
import type { Random } from "../ports/random.ts";
import { type Store, StoreFailed } from "../ports/store.ts";
import { CtrlMsg, CtrlType } from "../protocol/client_messages.ts";
import { StartFailed } from "../protocol/errors.ts";
import type { Nuid } from "../protocol/nuid.ts";
import { allFaultToleranceSubjects, faultToleranceSubject } from "../protocol/subjects.ts";
import type { Millis, Nanos } from "../protocol/units.ts";
import { Malformed } from "../protocol/varint.ts";
import { decodeTime, encodeTime } from "./ft_heartbeat.ts";
import { Ownership } from "./ownership.ts";

const HEARTBEAT: Millis = 1000;
const MISSED: Millis = 1250;
const SPREAD = 0.1;
/** Between two lines about a lock that cannot be had: doubling from the first to the second. */
const PRINT_FIRST: Millis = 1000;
const PRINT_LAST: Millis = 60_000;

export interface FaultToleranceParts {
  readonly clusterId: string;
  readonly group: string;
  readonly serverId: string;
  readonly bus: MessageBus;
  readonly store: Pick<Store, "tryLock" | "readOwner" | "writeOwner">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly nuid: Nuid;
  /** This server must not go on: another one has been active for longer, or has taken the store. */
  readonly onConflict: (reason: string) => void;
}

export class FaultTolerance {
  readonly #parts: FaultToleranceParts;
  readonly #subject: Uint8Array;
  readonly #interval: Millis;
  readonly #missed: Millis;
  readonly #ownership: Ownership;
  /** The identity of the store that the active server has; empty when unknown. */
  #storeHeard = "";
  #refusal: StartFailed | undefined;
  #subscription: Subscription | undefined;
  #activation: Nanos | undefined;
  #lastHeard: Millis;
  #cancel: Cancel = () => {};
  #stopped = false;
  #nextPrint: Millis = 0;
  #printWait = PRINT_FIRST;

  constructor(parts: FaultToleranceParts) {
    this.#parts = parts;
    this.#subject = new TextEncoder().encode(faultToleranceSubject(parts.clusterId, parts.group));
    const spread = 1 - SPREAD + 2 * SPREAD * parts.random.below(1_000) / 1_000;
    this.#interval = HEARTBEAT * spread;
    this.#missed = Math.max(MISSED * spread, 1.1 * this.#interval);
    this.#lastHeard = parts.clock.now();
    this.#ownership = new Ownership(parts);
  }

  /** Whether this server holds the lock and serves. */
  get active(): boolean {
    return this.#activation !== undefined && !this.#stopped;
  }

  /** Throws StoreFailed when another server has taken the store: to be called before anything is written. */
  fence(): void {
    this.#ownership.check();
  }

  /**
   * Waits as a standby until this server holds the store's lock; `false` when it was stopped meanwhile. Rejects with
   * StartFailed when it must not become active: another group is, or the store is not the group's.
   */
  async becomeActive(): Promise<boolean> {
    const { bus, log, clock } = this.#parts;
    log.notice("Starting in standby mode");
    this.#subscription = bus.subscribe(
      allFaultToleranceSubjects(this.#parts.clusterId),
      (message) => this.#heard(message),
    );
    while (!this.#stopped) {
      await this.#until(this.#lastHeard + this.#missed);
      if (this.#stopped) break;
      if (this.#refusal !== undefined) throw this.#refusal;
      if (clock.now() < this.#lastHeard + this.#missed) continue;
      if (await this.#tryLock()) {
        this.#ownership.claim(this.#storeHeard);
        log.notice("Server is active");
        this.#activation = clock.wall();
        this.#beat();
        return true;
      }
      this.#lastHeard = clock.now();
    }
    return false;
  }

  stop(): void {
    this.#stopped = true;
    this.#subscription?.unsubscribe();
    this.#cancel();
    this.#wake?.();
  }

  #wake: (() => void) | undefined;

  #until(at: Millis): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#cancel = this.#parts.clock.wakeAt(at, resolve);
    });
  }

  async #tryLock(): Promise<boolean> {
    const { store, log } = this.#parts;
    try {
      if (await store.tryLock()) return true;
      this.#print("ft: unable to get store lock at this time, going back to standby");
    } catch (error) {
      log.error(`ft: error attempting to get the store lock: ${error instanceof Error ? error.message : error}`);
    }
    return false;
  }

  /** A line that would repeat every second appears ever more rarely. */
  #print(text: string): void {
    const now = this.#parts.clock.now();
    if (now < this.#nextPrint) return;
    this.#parts.log.notice(text);
    this.#nextPrint = now + this.#printWait;
    this.#printWait = Math.min(2 * this.#printWait, PRINT_LAST);
  }

  /** Says that this server is active, now and once an interval. */
  #beat(): void {
    const { bus, log, clock, serverId } = this.#parts;
    if (this.#stopped) return;
    if (!this.#stillOwns()) return;
    const data = encodeTime(this.#activation!);
    const refId = this.#ownership.identity;
    const message = CtrlMsg.encode({ type: CtrlType.faultToleranceHeartbeat, serverId, data, refId });
    if (!bus.publish(this.#subject, message)) {
      log.error("Unable to send FT heartbeat: nats: outbound buffer limit exceeded");
    }
    this.#cancel = clock.wakeAt(clock.now() + this.#interval, () => this.#beat());
  }

  #stillOwns(): boolean {
    try {
      this.fence();
      return true;
    } catch (error) {
      if (!(error instanceof StoreFailed)) throw error;
      this.stop();
      this.#parts.onConflict(`${error.message}, aborting`);
      return false;
    }
  }

  #heard(message: Inbound): void {
    const { serverId, clock, group, clusterId } = this.#parts;
    const heartbeat = decodedHeartbeat(message);
    if (heartbeat === undefined || heartbeat.serverId === serverId) return;
    const subject = new TextDecoder().decode(message.buffer.subarray(message.subjectStart, message.subjectEnd));
    const other = subject.slice(faultToleranceSubject(clusterId, "").length);
    if (other !== group && this.#activation === undefined) return this.#refuseGroup(other, heartbeat.serverId);
    this.#lastHeard = clock.now();
    this.#storeHeard = heartbeat.store;
    if (this.#activation !== undefined) this.#resolve(heartbeat.serverId, heartbeat.activation);
  }

  /** Two groups of one cluster id would both serve the same clients. */
  #refuseGroup(other: string, server: string): void {
    const { group, clusterId } = this.#parts;
    this.#refusal ??= new StartFailed(
      `ft: server "${server}" of the group "${other}" is active for cluster ID "${clusterId}"; ` +
        `this server's group is "${group}", and all servers of a cluster ID must be of one group`,
    );
    this.#cancel();
    this.#wake?.();
  }

  /** Two servers are active: the later one gives up; at the same moment, the one with the greater id. */
  #resolve(other: string, activation: Nanos): void {
    const { log, onConflict, serverId } = this.#parts;
    const own = this.#activation!;
    const text = `ft: serverID "${other}" claims to be active`;
    if (activation > own || (activation === own && other > serverId)) return log.error(text);
    this.stop();
    onConflict(`${text}, aborting`);
  }
}

/** `undefined` for what is no heartbeat of a named server with a time. */
function decodedHeartbeat(message: Inbound): { serverId: string; activation: Nanos; store: string } | undefined {
  try {
    const { type, serverId, data, refId: store } = CtrlMsg.decode(
      message.buffer,
      message.payloadStart,
      message.payloadEnd,
    );
    const activation = decodeTime(data);
    if (type !== CtrlType.faultToleranceHeartbeat || serverId === "" || activation === undefined) return undefined;
    return { serverId, activation, store };
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}
