/** Options → stores. */
import type { Options } from "../config/mod.ts";
import {
  agreedLimits,
  checkLimits,
  type ConfiguredLimits,
  encrypted,
  logSeal,
  openFileStore,
  openMemoryStore,
  type StoreLimits,
} from "../store/mod.ts";
import type { EncryptionPlugin, StorePlugin } from "../registry.ts";

export const memoryStore: StorePlugin = {
  open: (options) => openMemoryStore({ limits: storeLimits(options) }),
};

/** How far the files of a cluster's node may be behind what it was told to keep. */
const FLUSH_LAG = 50;

export const fileStore: StorePlugin = {
  open(options, { files, clock, random, log, commands }) {
    const { file, dir, cluster } = options.streaming;
    const limits = storeLimits(options);
    return openFileStore({
      limits,
      directory: dir,
      compactEnabled: file.compact,
      compactFragmentation: file.compactFragmentation,
      compactInterval: file.compactInterval,
      compactMinFileSize: file.compactMinSize,
      bufferSize: file.bufferSize,
      crc: file.crc,
      crcPolynomial: file.crcPolynomial,
      sync: cluster.clustered ? cluster.sync ?? true : file.syncOnFlush,
      sliceMaxMessages: file.sliceMaxMessages,
      sliceMaxBytes: file.sliceMaxBytes,
      sliceMaxAge: Number(file.sliceMaxAge / 1_000_000n),
      sliceArchiveScript: file.sliceArchiveScript,
      fileDescriptorsLimit: file.fileDescriptorsLimit,
      parallelRecovery: file.parallelRecovery,
      truncateUnexpectedEof: file.truncateUnexpectedEof,
      readBufferSize: file.readBufferSize,
      autoSync: file.autoSync,
      // The cluster's log keeps what is not in the files yet.
      flushLag: cluster.clustered ? FLUSH_LAG : 0,
      replicated: cluster.clustered,
    }, { files, clock, random, log, commands });
  },
};

export const encryption: EncryptionPlugin = {
  wrap(store, { streaming }, { random }) {
    const key = new TextEncoder().encode(streaming.encryptionKey ?? "");
    streaming.encryptionKey = null;
    return encrypted(store, { key, cipher: streaming.encryptionCipher, random });
  },
  logSeal({ streaming }, { random }) {
    const key = new TextEncoder().encode(streaming.encryptionKey ?? "");
    return logSeal({ key, cipher: streaming.encryptionCipher, random });
  },
};

/** The configured limits in the stores' form. */
export function storeLimits({ streaming: { limits, cluster } }: Options): StoreLimits {
  const { maxChannels, maxSubscriptions, maxMessages, maxBytes, maxAge, maxInactivity } = limits;
  const channels = new Map<string, ConfiguredLimits>(limits.channels.map(({ name, ...own }) => [name, own]));
  const global = { maxSubscriptions, maxMessages, maxBytes, maxAge, maxInactivity };
  if (!cluster.clustered) return { maxChannels, global, channels };
  // A cluster's limits are agreed upon: a node must neither refuse nor forget what the others keep.
  checkLimits({ maxChannels: 0, global, channels });
  return agreedLimits;
}
