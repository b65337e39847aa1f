/** What the store remembers, checked against what the operator asked for (spec streaming, sections 9.1 and 9.2). */
import type { Log } from "../ports/log.ts";
import { type RecoveredState, type Store, StoreFailed } from "../ports/store.ts";
import { StartFailed } from "../protocol/errors.ts";
import type { ServerInfo } from "../protocol/stored_records.ts";
import { serverInfo } from "../protocol/subjects.ts";
import { emptyState, recoverState, type ResolvedLimits, type State } from "../streaming/mod.ts";
import type { Recorder } from "./recorder.ts";

export interface RecoverySettings {
  readonly clusterId: string;
  readonly discoverPrefix: string;
  readonly clustered: boolean;
}

/** Reads the store. Rejects with StartFailed when it belongs to another cluster, StoreFailed when it cannot be read. */
export async function readStore(
  store: Store,
  settings: RecoverySettings,
  log: Log,
): Promise<{ recovered: RecoveredState | undefined; info: ServerInfo }> {
  const fresh = serverInfo(settings.clusterId, settings.discoverPrefix, "");
  const recovered = await recover(store, fresh, log);
  if (recovered === undefined) {
    log.notice("No recovered state");
    return { recovered, info: fresh };
  }
  log.notice(`Recovered ${recovered.channels.size} channel(s)`);
  const { info } = recovered;
  // What it said the cluster's log knows.
  if (info === undefined) return { recovered, info: fresh };
  checkInfo(info, settings, log);
  return { recovered, info: { ...info, subClose: info.subClose === "" ? fresh.subClose : info.subClose } };
}

function checkInfo(info: ServerInfo, settings: RecoverySettings, log: Log): void {
  if (info.clusterId !== settings.clusterId) {
    throw new StartFailed(
      `cluster ID "${settings.clusterId}" does not match recovered value of "${info.clusterId}"`,
    );
  }
  if (settings.clustered && info.nodeId === "") {
    throw new StartFailed("stan: cannot restart server in clustered mode if it was not previously clustered");
  }
  if (!settings.clustered && info.nodeId !== "") {
    log.warn("This store belongs to a clustered server: its clients and subscriptions are in the replicated log");
  }
}

/** The only refusal that a new record helps against: with a wrong key, say, it would cost this server its name. */
const NO_RECORD = "no server state recovered but channels present";

/** A store that lost its server record but has channels gets a new record and is read again. */
async function recover(store: Store, fresh: ServerInfo, log: Log): Promise<RecoveredState | undefined> {
  try {
    return await store.recover();
  } catch (error) {
    if (!(error instanceof StoreFailed) || error.message !== NO_RECORD) throw error;
    log.warn(
      `Server state was not recovered, but channels are present: ${error.message}. A new server record is written`,
    );
    await store.init(fresh);
    return await store.recover();
  }
}

/**
 * Takes over what the store brought back: the channels' stores, and the state that the machine begins with. In a cluster
 * only the messages count, the rest is in the replicated log.
 */
export function adopt(
  recovered: RecoveredState | undefined,
  recorder: Recorder,
  settings: { readonly clustered: boolean; readonly limits: ResolvedLimits },
  log: Log,
): State {
  const channels = [...recovered?.channels.values() ?? []];
  for (const channel of channels) recorder.adopt(channel.store);
  if (settings.clustered) return emptyState();
  const { state, repairs, warnings } = recoverState(
    recovered?.clients ?? [],
    channels.map(({ store, subscriptions, highestSubscriptionId }) => {
      const { last, lastTimestamp } = store.messages;
      return { name: store.name, last, lastTimestamp, subscriptions, highestSubscriptionId };
    }),
    settings.limits,
  );
  for (const warning of warnings) log.warn(warning);
  for (const repair of repairs) recorder.repair(repair);
  return state;
}
