/** A NATS server made of bytes: the other end of a route, for tests of the route protocol itself. */
import { RawNatsClient } from "./raw_nats_client.ts";

let made = 0;

/** What a peer says of itself; `more` adds to it or replaces. */
export function peerInfo(more: Record<string, unknown> = {}): string {
  const id = `NPEER${++made}`;
  const info = {
    server_id: id,
    server_name: id,
    version: "2.9.10",
    proto: 2,
    host: "127.0.0.1",
    port: 1,
    headers: true,
    max_payload: 1048576,
    cluster: "c1",
    ...more,
  };
  return `INFO ${JSON.stringify(info)} \r\n`;
}

export function peerConnect(more: Record<string, unknown> = {}): string {
  return `CONNECT ${JSON.stringify({ verbose: false, headers: true, name: "NPEER", cluster: "c1", ...more })}\r\n`;
}

/** A peer that has made itself known and heard all that is wanted there, which is in `burst`. */
export async function joinMesh(
  port: number,
  more: Record<string, unknown> = {},
): Promise<{ peer: RawNatsClient; burst: string }> {
  const peer = await RawNatsClient.connect(port);
  const burst = await peer.ask(peerConnect() + peerInfo(more));
  return { peer, burst };
}
