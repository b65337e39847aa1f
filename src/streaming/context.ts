/** What the parts of the machine work with: the state, whether this server leads, and where effects go. */
import type { Sequence } from "../protocol/units.ts";
import type { Effect } from "./effects.ts";
import { RecentPublishes } from "./recent_publishes.ts";
import type { Channel, State, Subscription } from "./state.ts";

/** What a machine needs to know besides its state. Times in milliseconds. */
export interface MachineSettings {
  readonly heartbeatInterval: number;
  readonly heartbeatTimeout: number;
  /** A client that misses more heartbeats than this in a row is closed. */
  readonly heartbeatFailCount: number;
  /**
   * Whether an earlier leader may have delivered messages that nobody heard of: then what was stored before this server
   * began to lead goes out flagged as possibly redelivered (spec clustering, section 5.4). False when absent.
   */
  readonly flagUncertain?: boolean;
  /** How long published messages are remembered, to acknowledge them again when this server begins to lead. 0 when absent. */
  readonly acknowledgeAgain?: number;
}

/** Messages that one call hands to one subscription or group at most. */
export const RUN = 1024;

export class Context {
  readonly state: State;
  readonly settings: MachineSettings;
  leading = false;
  /** Channels that may be created, by lower-cased name, and were not yet. */
  readonly planned = new Map<string, string>();
  readonly recentPublishes: RecentPublishes;
  #effects: Effect[] = [];
  /** The last effect if it is an "acked" one that may still grow. */
  #acked: Sequence[] | undefined;
  #ackedBy: Subscription | undefined;

  constructor(state: State, settings: MachineSettings) {
    this.state = state;
    this.settings = settings;
    this.recentPublishes = new RecentPublishes(settings.acknowledgeAgain ?? 0);
  }

  emit(effect: Effect): void {
    this.#acked = undefined;
    this.#effects.push(effect);
  }

  /** Emits that `subscription` is done with `sequence`; a row of them becomes one effect. */
  acked(subscription: Subscription, sequence: Sequence): void {
    if (this.#acked !== undefined && this.#ackedBy === subscription) {
      this.#acked.push(sequence);
      return;
    }
    const sequences = [sequence];
    this.#effects.push({ kind: "acked", subscription, sequences });
    this.#acked = sequences;
    this.#ackedBy = subscription;
  }

  log(level: "notice" | "warn" | "error" | "debug", text: string): void {
    this.emit({ kind: "log", level, text });
  }

  /** Asks for a delivery round on `channel`, unless one is asked for already. */
  askMore(channel: Channel): void {
    if (!this.leading || channel.moreAsked) return;
    channel.moreAsked = true;
    this.emit({ kind: "more", channel: channel.name });
  }

  take(): Effect[] {
    const effects = this.#effects;
    this.#acked = undefined;
    if (effects.length > 0) this.#effects = [];
    return effects;
  }
}
