/** Every option there is, by its subject, and the look-ups over them. */
import type { KeyGroup, OptionRow } from "./option_row.ts";
import { clusterRows } from "./rows_cluster.ts";
import { natsBlockRows } from "./rows_nats_blocks.ts";
import { natsRows } from "./rows_nats.ts";
import { processRows } from "./rows_process.ts";
import { channelLimitRows, fileStoreRows, limitRows, sqlStoreRows } from "./rows_stores.ts";
import { streamingRows } from "./rows_streaming.ts";

export const OPTION_ROWS: readonly OptionRow[] = [
  ...streamingRows,
  ...limitRows,
  ...channelLimitRows,
  ...clusterRows,
  ...fileStoreRows,
  ...sqlStoreRows,
  ...natsRows,
  ...natsBlockRows,
  ...processRows,
];

const flagRows = new Map<string, OptionRow>();
const keyRows = new Map<string, OptionRow>();
for (const row of OPTION_ROWS) {
  for (const flag of row.flags ?? []) flagRows.set(flag, row);
  for (const key of row.keys ?? []) keyRows.set(`${row.group} ${key}`, row);
}

/** The row of a flag, by any of its names. */
export function rowOfFlag(name: string): OptionRow | undefined {
  return flagRows.get(name);
}

/** The row of a key in a group; `key` in any letter case. */
export function rowOfKey(group: KeyGroup, key: string): OptionRow | undefined {
  return keyRows.get(`${group} ${key.toLowerCase()}`);
}

/** The name by which code tells special keys apart: the first of the row. */
export function canonicalKey(group: KeyGroup, key: string): string | undefined {
  return rowOfKey(group, key)?.keys?.[0];
}

/** Rows of a key group, in the order of the documentation. */
export function rowsOfGroup(group: KeyGroup): readonly OptionRow[] {
  return OPTION_ROWS.filter((row) => row.group === group && row.keys !== undefined);
}
