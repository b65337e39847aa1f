/**
 * The file store: the reference's directories, read and written.
 * Knows the bytes of every file, recovery after a crash, and the Files port.
 * Must not know clients, deliveries, or which limits are configured where.
 */
export { type FileStorePorts } from "./context.ts";
export { openFileStore, type OpenFileStoreOptions } from "./opening.ts";
export { checkFileStoreOptions, defaultFileStoreOptions, type FileStoreOptions } from "./options.ts";
