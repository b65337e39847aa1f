/**
 * Clients: connecting with the check for a client of the same id, pings, heartbeats, closing (spec streaming, sections 2,
 * 3 and 6.3).
 */
import type { Clock } from "../ports/clock.ts";
import { type Journal, mayYetBeDone, NotAgreed } from "../ports/journal.ts";
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
import { decoded, replyTo } from "./request_reading.ts";
import type { WhenSpeaking } from "./when_speaking.ts";

/** How soon to look again whether the lease is back. */
const LEASE_RETRY: Millis = 50;
/** How long the old client of a contested id may take to answer. */
const DUPLICATE_CHECK: Millis = 500;
const EMPTY = new Uint8Array(0);

/** Why a request failed: the text for the client, or `elsewhere` when whoever leads next has it, and answers. */
type Failure = { readonly text: string } | "elsewhere";

export interface SessionParts {
  readonly machine: Machine;
  readonly journal: Journal;
  readonly publishing: Publishing;
  readonly outbound: Outbound;
  readonly whenSpeaking: WhenSpeaking;
  /** Other servers have the requests too, and one that leads later carries them out. */
  readonly othersHold: boolean;
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
      .then((failure) => {
        if (failure === undefined) answer(this.#welcome(request!));
        else if (failure !== "elsewhere") this.#refused(reply, failure.text);
      })
      .finally(() => this.#connecting.delete(clientId));
  }

  /** The client was registered, maybe by a leader that could not say so. One that has gone again needs no answer. */
  connectedBefore(message: Inbound): void {
    const request = decoded(ConnectRequest, message);
    const client = this.#parts.machine.state.clients.get(request?.clientId ?? "");
    if (client === undefined || client.heartbeatInbox !== request!.heartbeatInbox) return;
    this.#answer(replyTo(message), ConnectResponse.encode(this.#welcome(request!)));
  }

  ping(message: Inbound): void {
    if (message.payloadEnd === message.payloadStart || message.replyEnd === message.replyStart) return;
    const request = decoded(Ping, message);
    if (request === undefined) return;
    const reply = replyTo(message)!;
    // Clients whose pings were lost with an old leader should not lose another.
    this.#parts.whenSpeaking.run(() => this.#answerPing(request, reply));
  }

  #answerPing(request: Ping, reply: Uint8Array): void {
    const { machine, outbound, clock } = this.#parts;
    const pinging = admitPing(machine.state, request);
    if (pinging.kind === "refused") return this.#answer(reply, PingResponse.encode({ error: pinging.text }));
    machine.pinged(pinging.client, clock.now());
    outbound.perform(machine.takeEffects());
    this.#answer(reply, EMPTY);
  }

  #pause(): Promise<void> {
    const { clock } = this.#parts;
    return new Promise((resolve) => void clock.wakeAt(clock.now() + LEASE_RETRY, resolve));
  }

  close(message: Inbound): void {
    const reply = replyTo(message);
    const admitted = admitClose(this.#parts.machine.state, decoded(CloseRequest, message));
    if (isRefusal(admitted)) {
      const { text: error } = admitted;
      return this.#parts.whenSpeaking.run(() => this.#answer(reply, CloseResponse.encode({ error })));
    }
    this.#disconnect(admitted.clientId).then((failure) => {
      if (failure === "elsewhere") return;
      this.#answer(reply, failure === undefined ? EMPTY : CloseResponse.encode({ error: failure.text }));
    });
  }

  /** The client was closed, maybe by a leader that could not say so. */
  closedBefore(message: Inbound): void {
    this.#answer(replyTo(message), EMPTY);
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

  /** Registers the client, closing one that held the id and does not answer. Answers with what went wrong, if anything did. */
  async #register(admitted: Connect): Promise<Failure | undefined> {
    const { machine, outbound, bus, log, latecomers } = this.#parts;
    const old = machine.state.clients.get(admitted.clientId);
    if (old !== undefined) {
      const { reign } = outbound;
      const answer = await bus.request(old.heartbeatInbox, EMPTY, DUPLICATE_CHECK);
      // Whoever led meanwhile has taken the request in: what it connected must not be closed by the same request.
      if (outbound.reign !== reign) return "elsewhere";
      if (answer.kind === "reply") return { text: Text.clientIdRegistered };
    }
    const failure = await this.#commit({ ...admitted, replace: old !== undefined });
    if (failure === undefined) {
      const { connId, clientId } = admitted;
      latecomers?.arrived(latecomerKey("", clientId), latecomerKey(latin1(connId), ""));
    }
    if (failure === undefined && log.debugging) {
      log.debug(`[Client:${admitted.clientId}] Connected (Inbox=${admitted.heartbeatInbox})`);
    }
    return failure;
  }

  /** Without a lease another server may lead, which knows better (spec clustering, Q4). */
  #refused(reply: Uint8Array | undefined, error: string): void {
    this.#parts.whenSpeaking.run(() => this.#answer(reply, ConnectResponse.encode({ error })));
  }

  /** `heartbeatInbox`: only the connection that has it; empty: whichever holds the id. */
  #disconnect(clientId: string, heartbeatInbox = ""): Promise<Failure | undefined> {
    this.#parts.journal.flushReports();
    return this.#commit({ kind: "disconnect", clientId, heartbeatInbox });
  }

  /** Commits one operation after all publishes received before it. */
  async #commit(operation: Operation): Promise<Failure | undefined> {
    const { journal, publishing, othersHold } = this.#parts;
    publishing.flush();
    try {
      const outcome: Outcome = (await journal.commit([operation]))[0]!;
      return isRefusal(outcome) ? { text: outcome.text } : undefined;
    } catch (error) {
      if (!(error instanceof NotAgreed)) throw error;
      return othersHold && mayYetBeDone(error) ? "elsewhere" : { text: error.message };
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
