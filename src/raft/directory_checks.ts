/** Whether this process may use what is in a Raft directory (spec clustering, section 3.1). All throw StartFailed. */
import type { FileLock, Files } from "../ports/files.ts";
import { StartFailed } from "../protocol/errors.ts";
import type { MemberRecord } from "./members/mod.ts";
import type { CheckedOptions } from "./options.ts";

/** A Raft directory of the reference cannot be continued. */
export function refuseForeign(files: Files, path: string): void {
  if (!files.exists(`${path}/raft.log`)) return;
  throw new StartFailed(
    `${path} holds the Raft log of a Go NATS Streaming server, which this server cannot continue. ` +
      "Give another cluster log path and an empty store. Without -clustered this server serves the old store's messages.",
  );
}

/** What is here has to be of the node and the cluster that are meant. */
export function checkKnown(known: MemberRecord, options: CheckedOptions, path: string): void {
  if (known.clusterId !== options.clusterId) {
    throw new StartFailed(
      `cluster ID ${JSON.stringify(options.clusterId)} does not match recovered value of ${
        JSON.stringify(known.clusterId)
      }`,
    );
  }
  if (options.nodeId !== "" && known.nodeId !== options.nodeId) {
    throw new StartFailed(
      `cluster node ID ${JSON.stringify(options.nodeId)} does not match ${
        JSON.stringify(known.nodeId)
      } recovered from ${path}`,
    );
  }
  const { identity } = options.store;
  if (identity !== "" && known.identity !== "" && identity !== known.identity && !known.former.includes(identity)) {
    throw new StartFailed(
      `the store belongs to cluster ${identity}, but ${path} to cluster ${known.identity}: ` +
        `give this node the store and the cluster log path that belong together`,
    );
  }
}

/** Keeps a second process out. */
export function takeLock(files: Files, path: string): FileLock {
  const lock = files.lock(`${path}/lock`);
  if (lock === undefined) throw new StartFailed(`cluster log path ${path} is in use by another process`);
  return lock;
}
