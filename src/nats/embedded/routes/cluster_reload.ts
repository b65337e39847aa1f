/** Which options of the mesh a running server can change. */
import type { ClusterOptions } from "../options.ts";

/** What holds while the server runs, told to other servers and clients long ago. */
const FIXED = ["name", "host", "port", "permissions", "advertise", "noAdvertise"] as const;

/** Options whose change needs a restart, by name; those of `next` that differ. */
export function fixedInCluster(current: ClusterOptions | undefined, next: ClusterOptions | undefined): string[] {
  if (current === undefined && next === undefined) return [];
  if (current === undefined || next === undefined) return ["cluster"];
  const names: string[] = FIXED.filter((key) => JSON.stringify(current[key]) !== JSON.stringify(next[key]));
  if ((current.tls === undefined) !== (next.tls === undefined)) names.push("tls");
  return names.map((name) => `cluster ${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`);
}

/** The options that hold from now on: what cannot change stays. */
export function effectiveCluster(current: ClusterOptions, next: ClusterOptions): ClusterOptions {
  const effective: Record<string, unknown> = { ...next };
  for (const key of FIXED) effective[key] = current[key];
  if (current.tls === undefined || next.tls === undefined) effective["tls"] = current.tls;
  return Object.fromEntries(
    Object.entries(effective).filter(([, value]) => value !== undefined),
  ) as unknown as ClusterOptions;
}
