/** Puts the parts of a server together: each gets only what it works with. */
import { Delivering } from "./delivering.ts";
import type { Journal } from "../ports/journal.ts";
import type { Damage } from "../ports/store.ts";
import type { Nuid } from "../protocol/nuid.ts";
import type { ServerInfo } from "../protocol/stored_records.ts";
import type { Awaitable } from "../protocol/units.ts";
import type { Machine } from "../streaming/mod.ts";
import { Expiring } from "./expiring.ts";
import { Holding } from "./holding.ts";
import { Latecomers } from "./latecomers.ts";
import { Leading } from "./leading.ts";
import { Outbound } from "./outbound.ts";
import { Publishing } from "./publishing.ts";
import type { Recorder } from "./recorder.ts";
import { Replica } from "./replica.ts";
import { RecentRequests } from "./recent_requests.ts";
import { RequestHolding } from "./request_holding.ts";
import { Requests } from "./requests.ts";
import type { ServerParts } from "./server_parts.ts";
import { Sessions } from "./sessions.ts";
import { Subscribing } from "./subscribing.ts";
import type { Timers } from "./timers.ts";
import { WhenSpeaking } from "./when_speaking.ts";

/** What exists before the rest is put together. */
export interface Core {
  readonly machine: Machine;
  readonly recorder: Recorder;
  readonly journal: Journal;
  readonly timers: Timers;
  readonly nuid: Nuid;
  readonly info: () => ServerInfo;
  readonly belongTo: (identity: string) => Awaitable<void>;
  /** What the store found damaged. */
  readonly damages: readonly Damage[] | undefined;
}

export interface Assembled {
  readonly publishing: Publishing;
  readonly delivering: Delivering;
  readonly leading: Leading;
  readonly replica: Replica;
  /** Only in a cluster. */
  readonly holding: Holding | undefined;
  readonly requestHolding: RequestHolding | undefined;
}

export function assemble(parts: ServerParts, core: Core): Assembled {
  const { store, bus, clock, log, settings, partitions } = parts;
  const { clustered: othersHold } = settings;
  const { machine, recorder, journal, timers, info, nuid } = core;
  const latecomers = partitions === undefined ? undefined : new Latecomers(clock);
  const outbound = new Outbound({ bus, journal, recorder, timers, log });
  const whenSpeaking = new WhenSpeaking(outbound, clock);
  const common = { machine, recorder, journal, outbound, whenSpeaking, bus, clock, log, latecomers, othersHold };
  const publishing = new Publishing({ ...common, batchMessages: settings.batchMessages });
  const holding = othersHold ? new Holding({ bus, clock, publishing, machine }) : undefined;
  const delivering = new Delivering(common);
  const sessions = new Sessions({ ...common, publishing, info, heartbeatTimeout: settings.heartbeatTimeout });
  const subscribing = new Subscribing({ ...common, publishing, partitions, nuid, ...settings });
  const requests = new Requests(bus, { sessions, publishing, subscribing });
  const recent = othersHold ? new RecentRequests() : undefined;
  const requestHolding = recent === undefined ? undefined : new RequestHolding({
    ...{ bus, clock, handlers: { sessions, subscribing }, recent },
    connectionOf: (clientId) => machine.state.clients.get(clientId),
  });
  const expiring = new Expiring(common);
  const leading = new Leading({
    ...common,
    publishing,
    store,
    delivering,
    sessions,
    requests,
    expiring,
    partitions,
    holding,
    requestHolding,
    info,
    settings,
  });
  outbound.connect(leading);
  const { belongTo, damages } = core;
  const replica = new Replica({ machine, recorder, outbound, clock, listener: leading, belongTo, recent, damages });
  return { publishing, delivering, leading, replica, holding, requestHolding };
}
