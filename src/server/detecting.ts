/** Finds another stand-alone server of the same cluster id before this one serves (spec streaming, section 9.3). */
import type { MessageBus } from "../ports/message_bus.ts";
import { CloseRequest, ConnectRequest, ConnectResponse } from "../protocol/client_messages.ts";
import { StartFailed } from "../protocol/errors.ts";
import type { Nuid } from "../protocol/nuid.ts";
import type { ServerInfo } from "../protocol/stored_records.ts";
import type { Millis } from "../protocol/units.ts";

const WAIT: Millis = 250;

/** Rejects with StartFailed when somebody answers for this cluster id. */
export async function detectOther(bus: MessageBus, info: ServerInfo, nuid: Nuid): Promise<void> {
  const { clusterId } = info;
  const probe = ConnectRequest.encode({ clientId: clusterId, heartbeatInbox: `_INBOX.${nuid.next()}` });
  const answer = await bus.request(info.discovery, probe, WAIT);
  if (answer.kind === "disconnected") {
    throw new StartFailed("request error detecting another server instance: nats: connection closed");
  }
  if (answer.kind !== "reply") return;
  let response: ConnectResponse;
  try {
    response = ConnectResponse.decode(answer.payload);
  } catch (error) {
    throw new StartFailed(`unmarshall error while detecting another server instance: ${(error as Error).message}`);
  }
  if (response.error === "") {
    await bus.request(response.closeRequests, CloseRequest.encode({ clientId: clusterId }), WAIT);
  }
  throw new StartFailed(`discovered another streaming server with cluster ID "${clusterId}"`);
}
