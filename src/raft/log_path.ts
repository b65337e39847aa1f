/** Where a node keeps its log (spec clustering, section 2, `log_path`). */
import type { Files } from "../ports/files.ts";
import type { CheckedOptions } from "./options.ts";

/**
 * The place that was given; else the node's own, or, when nothing is there yet, that of the reference and of earlier
 * releases, where this node's log may lie.
 */
export function logPathOf(files: Files, options: CheckedOptions, nodeId: string): string {
  const { clusterId, logPath, ownLogPath } = options;
  if (logPath !== "") return logPath;
  const usual = `${clusterId}/${nodeId}`;
  if (ownLogPath === "") return usual;
  const isElsewhere = !files.exists(`${ownLogPath}/${clusterId}`) && files.exists(`${usual}/${clusterId}`);
  return isElsewhere ? usual : ownLogPath;
}
