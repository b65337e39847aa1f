/** The request to become a member, and its answer (spec clustering, section 3.3). */
import type { MessageBus } from "../../ports/message_bus.ts";
import type { Millis } from "../../protocol/units.ts";
import { int32, type Message, message, string, uint64 } from "../../protocol/schema.ts";
import { crc32c, joinSubject } from "../wire/mod.ts";

/** Fields 1 and 2 are what a Go node sends; it leaves the rest out and is told that it cannot join. */
export const JoinRequest = message({
  nodeId: string(1),
  address: string(2),
  version: int32(3),
  incarnation: string(4),
  boot: string(5),
  identity: string(6),
  /** CRC-32C of the request with 0 here; 0 from a Go node. */
  sum: uint64(7),
});
export type JoinRequest = Message<typeof JoinRequest>;

/** Field 1 as in the reference: empty is success. Code `refused`: for good; `retry`: for now. */
export const JoinReply = message({ error: string(1), code: string(2), identity: string(3) });
export type JoinReply = Message<typeof JoinReply>;

export const JOIN_VERSION = 1;
const TIMEOUT: Millis = 1000;

/** Who wants to join: `identity` is empty where it knows none. */
export interface Joiner {
  readonly nodeId: string;
  readonly incarnation: string;
  readonly boot: string;
  readonly identity: string;
}

/** Asks once; `undefined` when no leader answers. */
export async function askToJoin(bus: MessageBus, clusterId: string, joiner: Joiner): Promise<JoinReply | undefined> {
  const address = `${clusterId}.${joiner.nodeId}.${clusterId}`;
  const request = { ...joiner, address, version: JOIN_VERSION, sum: 0 };
  const bytes = JoinRequest.encode({ ...request, sum: sumOf(request) });
  const answer = await bus.request(joinSubject(clusterId), bytes, TIMEOUT);
  if (answer.kind !== "reply") return undefined;
  try {
    return JoinReply.decode(answer.payload);
  } catch {
    return undefined;
  }
}

/** What {@link JoinRequest} has to have as its sum: a request that was damaged on the way must not name another node. */
export function sumOf(request: JoinRequest): number {
  return crc32c(JoinRequest.encode({ ...request, sum: 0 }));
}
