/** What a node of a cluster stands on. */
import type { Clock } from "../ports/clock.ts";
import type { Files } from "../ports/files.ts";
import type { Log } from "../ports/log.ts";
import type { MessageBus } from "../ports/message_bus.ts";
import type { Random } from "../ports/random.ts";
import type { Awaitable } from "../protocol/units.ts";

export interface RaftPorts {
  /** A connection to NATS of its own; `role` becomes part of its name (`raft`, `raft_snap`). */
  openBus(role: string): Awaitable<MessageBus>;
  readonly files: Files;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** This node must not go on: the process logs `reason` and exits. */
  onFatal(reason: string, exitCode: number): void;
}
