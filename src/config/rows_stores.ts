/** Rows of limits, the file store and the SQL store (spec stores, sections 2 and 4). */
import type { OptionRow } from "./option_row.ts";
import { durationText } from "./values.ts";

const LIMIT = { group: "streaming.store_limits", section: "Streaming Server Options" } as const;

export const limitRows: readonly OptionRow[] = [
  {
    ...LIMIT,
    field: "streaming.limits.maxChannels",
    kind: "int",
    flags: ["mc", "max_channels"],
    keys: ["max_channels", "mc", "maxchannels"],
    help: "Most channels; 0 is unlimited",
    check: notNegative("max channels"),
  },
  {
    ...LIMIT,
    field: "streaming.limits.maxSubscriptions",
    kind: "int",
    flags: ["msu", "max_subs"],
    keys: ["max_subs", "msu", "max_subscriptions", "maxsubscriptions"],
    help: "Most subscriptions of a channel; 0 is unlimited",
    check: notNegative("max subscriptions"),
  },
  {
    ...LIMIT,
    field: "streaming.limits.maxMessages",
    kind: "int",
    flags: ["mm", "max_msgs"],
    keys: ["max_msgs", "mm", "maxmsgs", "max_count", "maxcount"],
    help: "Most messages of a channel; 0 is unlimited",
    more: "The oldest are dropped to make room.",
    check: notNegative("max messages"),
  },
  {
    ...LIMIT,
    field: "streaming.limits.maxBytes",
    kind: "size",
    flags: ["mb", "max_bytes"],
    keys: ["max_bytes", "mb", "maxbytes"],
    help: "Most bytes of a channel's messages; 0 is unlimited",
    more: "The newest message always stays.",
    check: notNegative("max bytes"),
  },
  {
    ...LIMIT,
    field: "streaming.limits.maxAge",
    kind: "age",
    flags: ["ma", "max_age"],
    keys: ["max_age", "ma", "maxage"],
    help: "How long a message is kept; 0s is unlimited",
    check: ageNotNegative("max age"),
  },
  {
    ...LIMIT,
    field: "streaming.limits.maxInactivity",
    kind: "age",
    flags: ["mi", "max_inactivity"],
    keys: ["max_inactivity", "mi", "maxinactivity"],
    help: "Time without new message and without active subscription after which a channel is deleted; 0s is never",
    check: ageNotNegative("max inactivity"),
  },
  {
    group: "streaming.store_limits",
    field: "streaming.limits.channels",
    kind: "special",
    keys: ["channels", "channels_limits", "channelslimits", "per_channel", "per_channel_limits"],
    help: "Map of channel name to limits of that channel",
    more:
      "Names may have the wildcards `*` and `>`. A limit that is left out comes from the narrowest wider entry, at last " +
      "from the limits above; 0 is unlimited. With partitioning: the channels to serve.",
    defaultText: "none",
  },
];

const CHANNEL = { group: "streaming.store_limits.channels", defaultText: "inherited" } as const;

/** Limits of one channel, in the fields of a ChannelLimitsEntry. */
export const channelLimitRows: readonly (OptionRow & { readonly entryField: ChannelLimitField })[] = [
  {
    ...CHANNEL,
    entryField: "maxSubscriptions",
    kind: "int",
    keys: ["max_subs", "msu", "max_subscriptions", "maxsubscriptions"],
    help: "Most subscriptions of this channel",
  },
  {
    ...CHANNEL,
    entryField: "maxMessages",
    kind: "int",
    keys: ["max_msgs", "mm", "maxmsgs", "max_count", "maxcount"],
    help: "Most messages of this channel",
  },
  {
    ...CHANNEL,
    entryField: "maxBytes",
    kind: "size",
    keys: ["max_bytes", "mb", "maxbytes"],
    help: "Most bytes of this channel",
  },
  {
    ...CHANNEL,
    entryField: "maxAge",
    kind: "age",
    keys: ["max_age", "ma", "maxage"],
    help: "How long its messages are kept",
  },
  {
    ...CHANNEL,
    entryField: "maxInactivity",
    kind: "age",
    keys: ["max_inactivity", "mi", "maxinactivity"],
    help: "Idle time after which this channel is deleted",
  },
];

export type ChannelLimitField = "maxSubscriptions" | "maxMessages" | "maxBytes" | "maxAge" | "maxInactivity";

const FILE = { group: "streaming.file_options", section: "Streaming Server File Store Options" } as const;
const SLICES = "slice max values must be positive numbers";

const compactionRows: readonly OptionRow[] = [
  {
    ...FILE,
    field: "streaming.file.compact",
    kind: "bool",
    flags: ["file_compact_enabled"],
    keys: ["compact", "compact_enabled"],
    help: "Rewrite files with many dead records",
  },
  {
    ...FILE,
    field: "streaming.file.compactFragmentation",
    kind: "int",
    flags: ["file_compact_frag"],
    keys: ["compact_fragmentation", "compact_frag"],
    help: "Per cent of dead records from which a file is rewritten",
    check: (value: number) => value < 1 ? "compact fragmentation value must at least be 1" : undefined,
  },
  {
    ...FILE,
    field: "streaming.file.compactInterval",
    kind: "int",
    flags: ["file_compact_interval"],
    keys: ["compact_interval"],
    help: "Seconds between two rewrites of a file, at least",
    check: (value: number) => value < 1 ? "compact interval value must at least be 1 seconds" : undefined,
  },
  {
    ...FILE,
    field: "streaming.file.compactMinSize",
    kind: "size",
    flags: ["file_compact_min_size"],
    keys: ["compact_min_size"],
    help: "Size from which a file is rewritten",
    check: atLeastZero("compact minimum file size value must be a positive number"),
  },
];

const bufferRows: readonly OptionRow[] = [
  {
    ...FILE,
    field: "streaming.file.bufferSize",
    kind: "size",
    flags: ["file_buffer_size"],
    keys: ["buffer_size"],
    help: "Bytes gathered before a write",
    check: atLeastZero("buffer size value must be a positive number"),
  },
  {
    ...FILE,
    field: "streaming.file.crc",
    kind: "bool",
    flags: ["file_crc"],
    keys: ["crc", "do_crc"],
    help: "Verify checksums of records",
  },
  {
    ...FILE,
    field: "streaming.file.crcPolynomial",
    kind: "int",
    flags: ["file_crc_poly"],
    keys: ["crc_poly"],
    help: "Polynomial of the CRC-32 checksums",
    check: (value: number) =>
      value < 1 || value > 4294967295 ? "crc polynomial should be between 1 and 4294967295" : undefined,
  },
  {
    ...FILE,
    field: "streaming.file.syncOnFlush",
    kind: "bool",
    flags: ["file_sync"],
    keys: ["sync_on_flush", "sync", "do_sync"],
    help: "Sync to the disk with every flush",
    more: "In clusters `cluster_sync` decides instead.",
  },
];

const sliceRows: readonly OptionRow[] = [
  {
    ...FILE,
    field: "streaming.file.sliceMaxMessages",
    kind: "int",
    flags: ["file_slice_max_msgs"],
    keys: ["slice_max_msgs", "slice_max_count", "slice_msgs", "slice_count"],
    help: "Most messages of a slice file; 0 follows the channel's limits",
    check: atLeastZero(SLICES),
  },
  {
    ...FILE,
    field: "streaming.file.sliceMaxBytes",
    kind: "size",
    flags: ["file_slice_max_bytes"],
    keys: ["slice_max_bytes", "slice_max_size", "slice_bytes", "slice_size"],
    help: "Most bytes of a slice file with its index",
    check: atLeastZero(SLICES),
  },
  {
    ...FILE,
    field: "streaming.file.sliceMaxAge",
    kind: "age",
    flags: ["file_slice_max_age"],
    keys: ["slice_max_age", "slice_age", "slice_max_time", "slice_time_limit"],
    help: "Time a slice file takes new messages, counted from its first; 0s follows the channel's limits",
    check: (value: bigint) => value < 0n ? SLICES : undefined,
  },
  {
    ...FILE,
    field: "streaming.file.sliceArchiveScript",
    kind: "string",
    flags: ["file_slice_archive_script"],
    keys: ["slice_archive_script", "slice_archive", "slice_script"],
    help: "Program to call with a slice file that is about to be removed",
  },
];

const resourceRows: readonly OptionRow[] = [
  {
    ...FILE,
    field: "streaming.file.fileDescriptorsLimit",
    kind: "int",
    flags: ["file_fds_limit"],
    keys: ["file_descriptors_limit", "fds_limit"],
    help: "Files to keep open at most; 0 sets no limit",
    check: atLeastZero("file descriptor limit must be a positive number"),
  },
  {
    ...FILE,
    field: "streaming.file.parallelRecovery",
    kind: "int",
    flags: ["file_parallel_recovery"],
    keys: ["parallel_recovery"],
    help: "Channels recovered at the same time when starting",
    check: (value: number) => value < 1 ? "parallel recovery value must be at least 1" : undefined,
  },
  {
    field: "streaming.file.truncateUnexpectedEof",
    section: "Streaming Server File Store Options",
    kind: "bool",
    flags: ["file_truncate_bad_eof"],
    help: "Cut files that end in the middle of a record; messages may be lost",
    more: "For one start: a second one in a row is refused.",
  },
  {
    ...FILE,
    field: "streaming.file.readBufferSize",
    kind: "size",
    flags: ["file_read_buffer_size"],
    keys: ["read_buffer_size", "file_read_buffer_size"],
    help: "Bytes read ahead; 0 switches it off",
    check: atLeastZero("read buffer size value must be a positive number"),
  },
  {
    ...FILE,
    field: "streaming.file.autoSync",
    kind: "duration",
    flags: ["file_auto_sync"],
    keys: ["auto_sync", "file_auto_sync"],
    help: "Time between automatic flushes and syncs; zero or negative switches them off",
  },
];

export const fileStoreRows: readonly OptionRow[] = [...compactionRows, ...bufferRows, ...sliceRows, ...resourceRows];

const SQL = { group: "streaming.sql_options", section: "Streaming Server SQL Store Options" } as const;

export const sqlStoreRows: readonly OptionRow[] = [
  {
    ...SQL,
    field: "streaming.sql.driver",
    kind: "string",
    flags: ["sql_driver"],
    keys: ["driver"],
    help: "Kind of database: mysql or postgres",
  },
  {
    ...SQL,
    field: "streaming.sql.source",
    kind: "string",
    flags: ["sql_source"],
    keys: ["source"],
    help: "Where and how to connect, in the form of the driver",
  },
  {
    ...SQL,
    field: "streaming.sql.noCaching",
    kind: "bool",
    flags: ["sql_no_caching"],
    keys: ["no_caching"],
    help: "Write every subscription change at once",
  },
  {
    ...SQL,
    field: "streaming.sql.maxOpenConnections",
    kind: "int",
    flags: ["sql_max_open_conns"],
    keys: ["max_open_conns", "max_conns"],
    help: "Most connections to the database; 0 sets no limit",
  },
  {
    ...SQL,
    field: "streaming.sql.bulkInsertLimit",
    kind: "int",
    flags: ["sql_bulk_insert_limit"],
    keys: ["bulk_insert_limit"],
    help: "Most messages of one INSERT statement; 0 inserts one by one",
  },
];

function notNegative(name: string): (value: number) => string | undefined {
  return (value) => value < 0 ? `${name} limit cannot be negative (${value})` : undefined;
}

function ageNotNegative(name: string): (value: bigint) => string | undefined {
  return (value) => value < 0n ? `${name} limit cannot be negative (${durationText(value)})` : undefined;
}

function atLeastZero(text: string): (value: number) => string | undefined {
  return (value) => value < 0 ? text : undefined;
}
