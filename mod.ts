/**
 * NATS Streaming server, as a library: `serve(options, host)` starts one. The command line is `cli.ts`.
 */
export { type Host, type RunningServer, serve, VERSION } from "./src/serve.ts";
export { builtIns } from "./src/plugins.ts";
export {
  type BusPlugin,
  type JournalContext,
  type JournalPlugin,
  type Nats,
  Registry,
  type StorePlugin,
  type System,
} from "./src/registry.ts";
export type { Options } from "./src/config/mod.ts";
export { StartFailed } from "./src/protocol/errors.ts";
export { StoreFailed } from "./src/ports/store.ts";
export { NetworkFailed } from "./src/ports/network.ts";
