/** SIGHUP: options read again while the server runs (spec cli-config-monitoring, section 4.1). */
import { type Options, RELOAD_EXTERNAL, type ReloadApplied, RELOADED, type ReloadResult } from "../config/mod.ts";
import type { RunningServer } from "../serve.ts";
import type { ServerLog } from "../system/mod.ts";
import { logSettings } from "./logging.ts";

export class Reloading {
  #inUse: Options;
  readonly #reread: (inUse: Options) => ReloadResult;
  readonly #log: ServerLog;

  constructor(options: Options, reread: (inUse: Options) => ReloadResult, log: ServerLog) {
    this.#inUse = options;
    this.#reread = reread;
    this.#log = log;
  }

  /** Takes over what can change; says in the log what did, or why nothing. Never throws. */
  reload(server: RunningServer): void {
    const { streaming, nats } = this.#inUse;
    const isMonitored = nats.httpPort !== 0 || nats.httpsPort !== 0;
    if (streaming.natsServer !== "" && !isMonitored) return this.#log.nats.warn(RELOAD_EXTERNAL);
    const result = this.#reread(this.#inUse);
    if (result.kind === "refused") return this.#log.nats.error(result.line);
    this.#apply(result, server).catch((error: unknown) => {
      this.#log.streaming.error(`Reload: ${error instanceof Error ? error.message : error}`);
    });
  }

  async #apply({ options, changed, warnings, lines }: ReloadApplied, server: RunningServer): Promise<void> {
    if (changed.includes("logging")) this.#log.change(await logSettings(options));
    this.#inUse = options;
    for (const warning of warnings) this.#log.streaming.warn(warning);
    await server.reload(options);
    for (const line of [...lines, RELOADED]) this.#log.nats.notice(line);
  }
}
