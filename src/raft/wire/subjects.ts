/** The NATS subjects of a Raft group: all below one prefix, so that one line of permissions covers them (spec clustering, section 11.9). */

const encoder = new TextEncoder();

/** A node's name as one token: letters, digits, `-` and `_` stay, everything else becomes `=` and two hexadecimal digits. */
export function nodeToken(id: string): string {
  let token = "";
  for (const byte of encoder.encode(id)) {
    const char = String.fromCharCode(byte);
    token += /[A-Za-z0-9_-]/.test(char) ? char : `=${byte.toString(16).padStart(2, "0")}`;
  }
  return token;
}

/** What travels to one node: `c` votes and heartbeats, `d` entries, `s` requests for snapshots and messages. */
export type Lane = "c" | "d" | "s";

export function nodeSubject(clusterId: string, id: string, lane: Lane): string {
  return `_STAN.raft.${clusterId}.n.${nodeToken(id)}.${lane}`;
}

/** Where everybody answers who it is. */
export function whoSubject(clusterId: string): string {
  return `_STAN.raft.${clusterId}.who`;
}

export function joinSubject(clusterId: string): string {
  return `_STAN.raft.${clusterId}.join`;
}

export function addSubject(clusterId: string): string {
  return `_STAN.raft.${clusterId}.node.add`;
}

export function removeSubject(clusterId: string): string {
  return `_STAN.raft.${clusterId}.node.remove`;
}

/** Where servers that were started with `-cluster_bootstrap` hear of each other. */
export function bootstrapSubject(clusterId: string): string {
  return `_STAN.raft.${clusterId}.bootstrap`;
}
