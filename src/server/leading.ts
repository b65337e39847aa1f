/**
 * What happens when this server begins and ceases to lead (spec clustering, sections 5.1 and 5.2), and who carries out the
 * machine's larger effects meanwhile.
 */
import type { Clock } from "../ports/clock.ts";
import { type Journal, NotAgreed } from "../ports/journal.ts";
import type { Log } from "../ports/log.ts";
import { type Store, StoreFailed } from "../ports/store.ts";
import { MsgProto } from "../protocol/client_messages.ts";
import type { PackedMessages, SetLimits } from "../protocol/operations.ts";
import type { ServerInfo } from "../protocol/stored_records.ts";
import { type Awaitable, isLater, type Nanos, type Sequence } from "../protocol/units.ts";
import type { Effect, Machine, Subscription } from "../streaming/mod.ts";
import { acknowledgeAgain } from "./acknowledging_again.ts";
import type { Delivering } from "./delivering.ts";
import type { Expiring } from "./expiring.ts";
import type { Holding } from "./holding.ts";
import type { Outbound, Performers } from "./outbound.ts";
import type { Partitions } from "./partitions.ts";
import type { Publishing } from "./publishing.ts";
import { reclaim } from "./reclaiming.ts";
import type { Recorder } from "./recorder.ts";
import type { ReplicaListener } from "./replica.ts";
import type { RequestHolding } from "./request_holding.ts";
import type { Requests } from "./requests.ts";
import type { Sessions } from "./sessions.ts";

export interface LeadingParts {
  readonly machine: Machine;
  readonly store: Store;
  readonly recorder: Recorder;
  readonly journal: Journal;
  readonly publishing: Publishing;
  readonly delivering: Delivering;
  readonly sessions: Sessions;
  readonly requests: Requests;
  readonly expiring: Expiring;
  readonly outbound: Outbound;
  readonly clock: Clock;
  readonly log: Log;
  readonly partitions: Partitions | undefined;
  /** Set in a cluster: who takes in publish requests. */
  readonly holding: Holding | undefined;
  /** And all other requests. */
  readonly requestHolding: RequestHolding | undefined;
  readonly info: () => ServerInfo;
  readonly settings: { readonly clustered: boolean; readonly limits: Pick<SetLimits, "maxChannels" | "channels"> };
}

export class Leading implements ReplicaListener, Performers {
  readonly #parts: LeadingParts;
  /** The limits in force at the last look, and those that were compared with this server's own. */
  #inForceBefore: unknown;
  #compared: unknown;
  /** Publishes whose acknowledgements may have died with an earlier leader. */
  #unsure: PackedMessages[] = [];

  constructor(parts: LeadingParts) {
    this.#parts = parts;
    // What a state begins with nobody agreed upon.
    this.#compared = parts.machine.state.limits;
  }

  published(channels: ReadonlySet<string>): void {
    this.#parts.delivering.channels(channels);
  }

  restored(): void {
    const { publishing, holding, requestHolding, machine, clock } = this.#parts;
    publishing.clientsChanged();
    let newest = 0n;
    for (const { lastTimestamp } of machine.state.channels.values()) {
      if (lastTimestamp > newest) newest = lastTimestamp;
    }
    requestHolding?.replaced();
    holding?.replaced(Number((clock.wall() - newest) / 1_000_000n));
  }

  /** Now and then: a node whose own limits are not those that have been in force for a while says so (D2). */
  maintain(): void {
    const { log, machine, settings } = this.#parts;
    const inForce = machine.state.limits;
    const stands = inForce === this.#inForceBefore;
    this.#inForceBefore = inForce;
    if (!settings.clustered || !stands || inForce === this.#compared) return;
    this.#compared = inForce;
    if (isSameLimits(inForce, settings.limits)) return;
    log.warn(
      "The limits that the cluster agreed upon are not those of this server's configuration: they apply here too",
    );
  }

  async lead(ahead: readonly string[]): Promise<void> {
    const { machine, journal, outbound, clock, log, requests, expiring, publishing, holding, settings } = this.#parts;
    if (settings.clustered) log.notice("server became leader, performing leader promotion actions");
    publishing.clientsChanged();
    outbound.speak();
    const { reign } = outbound;
    const isOver = () => outbound.reign !== reign;
    if (settings.clustered) this.#agreeOnLimits();
    if (ahead.length > 0) await reclaim(ahead, this.#parts, isOver);
    if (isOver()) return;
    journal.restate(machine.statement());
    machine.lead(clock.now(), clock.wall(), (channel, sequence) => this.#timestampOf(channel, sequence));
    outbound.perform(machine.takeEffects());
    // NATS hears of the acknowledgement inboxes before it gets what is acknowledged there: nobody has to wait for it.
    const answered = holding?.lead();
    this.#parts.requestHolding?.lead();
    await requests.open(this.#parts.info(), this.#publishPatterns()).catch(() =>
      log.warn("NATS did not confirm the acknowledgement inboxes and request subjects yet: it will when it is back")
    );
    if (isOver()) return requests.close();
    expiring.start();
    if (settings.clustered) log.notice("finished leader promotion actions");
    log.notice("Streaming Server is ready");
    const unsure = this.#unsure;
    this.#unsure = [];
    void acknowledgeAgain(unsure, (messages) => publishing.acknowledgeAgain(messages), { clock, answered, isOver });
  }

  follow(): void {
    const { machine, outbound, log, requests, expiring, settings } = this.#parts;
    const wasLeading = machine.leading;
    if (wasLeading && settings.clustered) log.notice("server lost leadership, performing leader stepdown actions");
    requests.close();
    this.#parts.holding?.follow();
    this.#parts.requestHolding?.follow();
    expiring.stop();
    this.#unsure = [];
    outbound.mute();
    machine.follow();
    machine.takeEffects();
    if (wasLeading && settings.clustered) log.notice("finished leader stepdown actions");
  }

  deliver(effect: Extract<Effect, { kind: "deliver" }>): void {
    this.#parts.delivering.deliver(effect);
  }

  more(channel: string): void {
    this.#parts.delivering.more(channel);
  }

  acknowledged(subscription: Subscription, buffer: Uint8Array, start: number, end: number): void {
    this.#parts.delivering.acknowledged(subscription, buffer, start, end);
  }

  acknowledge(messages: PackedMessages): void {
    this.#unsure.push(messages);
  }

  heartbeat(clientId: string): void {
    void this.#parts.sessions.heartbeat(clientId);
  }

  evictClient(clientId: string): void {
    this.#parts.sessions.evict(clientId);
  }

  /** Behind the publishes received so far: one of them may save the channel. */
  deleteChannel({ channel, incarnation, last }: Extract<Effect, { kind: "delete channel" }>): void {
    const { clock, publishing, journal, machine, outbound, log } = this.#parts;
    clock.soon(async () => {
      try {
        publishing.flush();
        await journal.commit([{ kind: "delete channel", channel, incarnation, last }]);
      } catch (error) {
        if (!(error instanceof NotAgreed || error instanceof StoreFailed)) throw error;
        log.error(`Unable to delete channel "${channel}": ${error.message}`);
        machine.deletionFailed(channel, clock.now());
        outbound.perform(machine.takeEffects());
      }
    });
  }

  wake(key: string): void {
    const { machine, outbound, clock } = this.#parts;
    machine.wake(key, clock.now());
    outbound.perform(machine.takeEffects());
  }

  storeClient({ client }: Extract<Effect, { kind: "store client" }>): void {
    this.#parts.publishing.clientsChanged();
    const { id, heartbeatInbox, connId, protocol, pingInterval, pingMaxOut } = client;
    const record = { id, heartbeatInbox, connId, protocol, pingInterval, pingMaxOut };
    this.#inStore(() => this.#parts.store.addClient(record), `store client "${id}"`);
  }

  forgetClient(clientId: string): void {
    this.#parts.publishing.clientsChanged();
    this.#inStore(() => this.#parts.store.deleteClient(clientId), `delete client "${clientId}"`);
  }

  /** A client's record that cannot be written is logged; the client is served all the same (spec streaming, section 6.3). */
  #inStore(write: () => Awaitable<void>, what: string): void {
    const failed = (error: unknown) => {
      if (!(error instanceof StoreFailed)) throw error;
      this.#parts.log.error(`Unable to ${what}: ${error.message}`);
    };
    try {
      const done = write();
      if (isLater(done)) done.catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  /** The channels whose publish requests are subscribed to while leading; `undefined` where requests are heard all the time. */
  #publishPatterns(): readonly string[] | undefined {
    if (this.#parts.holding !== undefined) return undefined;
    return this.#parts.partitions?.channels ?? [">"];
  }

  /** The limits this server was given, if the cluster has others so far: from now on they are everybody's. */
  #agreeOnLimits(): void {
    const { journal, settings } = this.#parts;
    const agreed = journal.commit([{ kind: "set limits", ...settings.limits }]);
    if (isLater(agreed)) agreed.catch(() => {});
  }

  /** When a stored message was stored; 0 when it is gone. */
  #timestampOf(channel: string, sequence: Sequence): Nanos {
    let timestamp = 0n;
    this.#parts.recorder.channels.get(channel)?.messages.read(sequence, sequence, 1, (_, buffer, start, end) => {
      timestamp = MsgProto.decode(buffer, start, end).timestamp;
      return true;
    });
    return timestamp;
  }
}

type Limits = LeadingParts["settings"]["limits"];

function isSameLimits(a: Limits, b: Limits): boolean {
  const text = ({ maxChannels, channels }: Limits) =>
    [
      maxChannels,
      ...channels.map((each) =>
        [
          each.pattern,
          ...[each.maxSubscriptions, each.maxMessages, each.maxBytes, each.maxAge, each.maxInactivity],
        ].join(" ")
      ),
    ].join();
  return text(a) === text(b);
}
