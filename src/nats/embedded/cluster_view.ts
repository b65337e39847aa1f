/** What clients are told of the cluster: routes find it out. */
import type { ClusterOptions } from "./options.ts";

export interface ClusterView {
  /** `undefined` while there is no cluster. */
  readonly name: string | undefined;
  /** Client URLs (`host:port`) of the other servers. */
  readonly peerUrls: readonly string[];
}

/** What the cluster options say of names and addresses before any route is up. */
export function initialCluster(cluster: ClusterOptions | undefined): ClusterView {
  return { name: cluster?.name, peerUrls: [] };
}
