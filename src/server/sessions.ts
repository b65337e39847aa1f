/**
 * Clients: connecting with the check for a client of the same id, pings, heartbeats, closing (spec streaming, sections 2,
 * 3 and 6.3).
 */
import type { Clock } from "../ports/clock.ts";
import { type Journal, NotAgreed } from "../ports/journal.ts";
import type { Log } from "../ports/log.ts";
import type { Inbound, MessageBus } from "../ports/message_bus.ts";
import {
  CloseRequest,
  CloseResponse,
  ConnectRequest,
  ConnectResponse,
  Ping,
  PingResponse,
} from "../protocol/client_messages.ts";
import { Text } from "../protocol/errors.ts";
import type { Connect, Operation } from "../protocol/operations.ts";
import { isRefusal, type Outcome } from "../protocol/outcomes.ts";
import { pingSubject } from "../protocol/subjects.ts";
import type { ServerInfo } from "../protocol/stored_records.ts";
import type { Millis } from "../protocol/units.ts";
import { admitClose, admitConnect, admitPing, type Machine } from "../streaming/mod.ts";
import { latecomerKey, type Latecomers } from "./latecomers.ts";
import type { Outbound } from "./outbound.ts";
import { latin1 } from "../protocol/latin1.ts";
import type { Publishing } from "./publishing.ts";
import { decoded, replyTo } from "./requests.ts";

/** How soon to look again whether the lease is back. */
const LEASE_RETRY: Millis = 50;
/** How long the old client of a contested id may take to answer. */
const DUPLICATE_CHECK: Millis = 500;
/** So many pings wait until this server may speak; more are dropped, as they would be without a leader. */
const EARLY_PINGS_MAX = 10_000;
const EMPTY = new Uint8Array(0);

interface PingRequest {
  readonly request: Ping;
  readonly reply: Uint8Array;
}

export interface SessionParts {
  readonly machine: Machine;
  readonly journal: Journal;
  readonly publishing: Publishing;
  readonly outbound: Outbound;
  readonly bus: MessageBus;
  readonly clock: Clock;
  readonly log: Log;
  readonly info: () => ServerInfo;
  readonly heartbeatTimeout: Millis;
  /** Set with partitioning. */
  readonly latecomers: Latecomers | undefined;
}

export class Sessions {
  readonly #parts: SessionParts;
  /** Ids that are being connected: further connects for them are refused at once. */
  readonly #connecting = new Set<string>();
  readonly #evicting = new Set<string>();
  /** Pings that came before this leader may speak. */
  readonly #earlyPings: PingRequest[] = [];

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  connect(message: Inbound): void {
    const reply = replyTo(message);
    const request = decoded(ConnectRequest, message);
    const answer = (response: Partial<ConnectResponse>) => this.#answer(reply, ConnectResponse.encode(response));
    const admitted = admitConnect(this.#parts.machine.state, request);
    if (isRefusal(admitted)) return this.#refused(reply, admitted.text);
    const { clientId } = admitted;
    if (this.#connecting.has(clientId)) return this.#refused(reply, Text.clientIdRegistered);
    this.#connecting.add(clientId);
    this.#register(admitted)
      .then((error) => error === undefined ? answer(this.#welcome(request!)) : this.#refused(reply, error))
      .finally(() => this.#connecting.delete(clientId));
  }

  ping(message: Inbound): void {
    if (message.payloadEnd === message.payloadStart || message.replyEnd === message.replyStart) return;
    const { outbound } = this.#parts;
    if (!outbound.leading || this.#earlyPings.length >= EARLY_PINGS_MAX) return;
    const request = decoded(Ping, message);
    if (request === undefined) return;
    const ping = { request, reply: replyTo(message)! };
    if (outbound.speaking) return this.#answerPing(ping);
    this.#earlyPings.push(ping);
    if (this.#earlyPings.length === 1) void this.#answerEarlyPings();
  }

  #answerPing({ request, reply }: PingRequest): void {
    const { machine, outbound, clock } = this.#parts;
    const pinging = admitPing(machine.state, request);
    if (pinging.kind === "refused") return this.#answer(reply, PingResponse.encode({ error: pinging.text }));
    machine.pinged(pinging.client, clock.now());
    outbound.perform(machine.takeEffects());
    this.#answer(reply, EMPTY);
  }

  /** A new leader that may not speak yet: clients whose pings were lost with the old one should not lose another. */
  async #answerEarlyPings(): Promise<void> {
    const { outbound } = this.#parts;
    while (outbound.leading && !outbound.speaking) await this.#pause();
    const pings = this.#earlyPings.splice(0);
    if (outbound.speaking) { for (const ping of pings) this.#answerPing(ping); }
  }

  #pause(): Promise<void> {
    const { clock } = this.#parts;
    return new Promise((resolve) => void clock.wakeAt(clock.now() + LEASE_RETRY, resolve));
  }

  close(message: Inbound): void {
    const reply = replyTo(message);
    const admitted = admitClose(this.#parts.machine.state, decoded(CloseRequest, message));
    if (isRefusal(admitted)) {
      if (this.#parts.outbound.speaking) this.#answer(reply, CloseResponse.encode({ error: admitted.text }));
      return;
    }
    this.#disconnect(admitted.clientId).then((error) => {
      this.#answer(reply, error === undefined ? EMPTY : CloseResponse.encode({ error }));
    });
  }

  /** Asks a client for a sign of life, as soon as this server may speak; the machine is told what came of it. */
  async heartbeat(clientId: string): Promise<void> {
    const { machine, outbound, bus, clock, heartbeatTimeout } = this.#parts;
    const client = machine.state.clients.get(clientId);
    const isOver = () => !outbound.leading || machine.state.clients.get(clientId) !== client;
    while (client !== undefined && !isOver()) {
      if (outbound.speaking) {
        const answer = await bus.request(client.heartbeatInbox, EMPTY, heartbeatTimeout);
        if (isOver()) return;
        // Silence means nothing when this server itself was not there to hear.
        if (answer.kind === "reply" || outbound.speaking) {
          machine.heartbeat(clientId, answer.kind === "reply", clock.now());
          return outbound.perform(machine.takeEffects());
        }
      }
      await this.#pause();
    }
  }

  /** Closes a client that missed too many heartbeats, as if it had asked for it. */
  evict(clientId: string): void {
    if (this.#evicting.has(clientId)) return;
    this.#evicting.add(clientId);
    const heartbeatInbox = this.#parts.machine.state.clients.get(clientId)?.heartbeatInbox ?? "";
    this.#parts.clock.soon(() => {
      this.#disconnect(clientId, heartbeatInbox).finally(() => this.#evicting.delete(clientId));
    });
  }

  /** Registers the client, closing one that held the id and does not answer. Answers with an error text, if any. */
  async #register(admitted: Connect): Promise<string | undefined> {
    const { machine, bus, log, latecomers } = this.#parts;
    const old = machine.state.clients.get(admitted.clientId);
    if (old !== undefined) {
      const answer = await bus.request(old.heartbeatInbox, EMPTY, DUPLICATE_CHECK);
      if (answer.kind === "reply") return Text.clientIdRegistered;
    }
    const error = await this.#commit({ ...admitted, replace: old !== undefined });
    if (error === undefined) {
      const { connId, clientId } = admitted;
      latecomers?.arrived(latecomerKey("", clientId), latecomerKey(latin1(connId), ""));
    }
    if (error === undefined && log.debugging) {
      log.debug(`[Client:${admitted.clientId}] Connected (Inbox=${admitted.heartbeatInbox})`);
    }
    return error;
  }

  /** Without a lease another server may lead, which knows better (spec clustering, Q4). */
  #refused(reply: Uint8Array | undefined, error: string): void {
    if (this.#parts.outbound.speaking) this.#answer(reply, ConnectResponse.encode({ error }));
  }

  /** `heartbeatInbox`: only the connection that has it; empty: whichever holds the id. */
  #disconnect(clientId: string, heartbeatInbox = ""): Promise<string | undefined> {
    this.#parts.journal.flushReports();
    return this.#commit({ kind: "disconnect", clientId, heartbeatInbox });
  }

  /** Commits one operation after all publishes received before it. */
  async #commit(operation: Operation): Promise<string | undefined> {
    const { journal, publishing } = this.#parts;
    publishing.flush();
    try {
      const outcome: Outcome = (await journal.commit([operation]))[0]!;
      return isRefusal(outcome) ? outcome.text : undefined;
    } catch (error) {
      if (error instanceof NotAgreed) return error.message;
      throw error;
    } finally {
      publishing.clientsChanged();
    }
  }

  #welcome(request: ConnectRequest): Partial<ConnectResponse> {
    const info = this.#parts.info();
    const response: Partial<ConnectResponse> = {
      pubPrefix: info.publish,
      subRequests: info.subscribe,
      unsubRequests: info.unsubscribe,
      closeRequests: info.close,
      subCloseRequests: info.subClose,
      protocol: 1,
    };
    if (request.protocol < 1) return response;
    const { pingInterval, pingMaxOut } = request;
    return { ...response, pingRequests: pingSubject(info), pingInterval, pingMaxOut };
  }

  #answer(reply: Uint8Array | undefined, payload: Uint8Array): void {
    if (reply !== undefined && this.#parts.outbound.leading) this.#parts.bus.publish(reply, payload);
  }
}
