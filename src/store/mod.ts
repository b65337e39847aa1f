/**
 * What survives a restart: messages, subscriptions, clients, the server's identity; in memory, in files, encrypted.
 * Knows the store port, files and the clock as ports, and the bytes on disk.
 * Must not know NATS, Raft, or what a message means to a client.
 */
export {
  agreedLimits,
  checkLimits,
  type ConfiguredLimits,
  defaultLimits,
  type ResolvedLimits,
  resolveLimits,
  type StoreLimits,
} from "./limits.ts";
export { type MemoryStoreOptions, openMemoryStore } from "./memory_store.ts";
export { chooseEncryptionKey, encrypted, type EncryptionOptions } from "./encrypted_store.ts";
export { logSeal } from "./log_seal.ts";
export { messagesOnly } from "./messages_only_store.ts";
export {
  checkFileStoreOptions,
  defaultFileStoreOptions,
  type FileStoreOptions,
  type FileStorePorts,
  openFileStore,
  type OpenFileStoreOptions,
} from "./file/mod.ts";
export {
  type Damage,
  inspectClients,
  type Inspection,
  inspectMessages,
  inspectServer,
  inspectSubscriptions,
  listChannels,
  type SliceReport,
  type TakeMessage,
} from "./file/inspect.ts";
