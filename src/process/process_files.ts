/** The pid file and the ports file (spec cli-config-monitoring, section 3.4); only where the NATS server is in this process. */
import type { Options } from "../config/mod.ts";
import type { Log } from "../ports/log.ts";
import type { RunningServer } from "../serve.ts";
import { processId, programName, removeFile, writeText } from "../system/mod.ts";

/** Permission bits before the umask. */
const PID_FILE_MODE = 0o660;

export class ProcessFiles {
  readonly #options: Options;
  readonly #log: Log;
  #portsFile: string | undefined;

  constructor(options: Options, log: Log) {
    this.#options = options;
    this.#log = log;
  }

  /** Writes what the options ask for. A file that cannot be written is logged and nothing more. */
  started(server: RunningServer): void {
    const { nats, streaming } = this.#options;
    if (streaming.natsServer !== "") return;
    if (nats.pidFile !== "") {
      this.#attempt("Could not write pidfile", () => writeText(nats.pidFile, String(processId), PID_FILE_MODE));
    }
    if (nats.portsFileDir === "") return;
    const path = `${nats.portsFileDir}/${programName()}_${processId}.ports`;
    const ports = { nats: [server.url], ...(server.monitorUrl === "" ? {} : { monitoring: [server.monitorUrl] }) };
    this.#attempt(`Error writing ports file (${path})`, () => {
      writeText(path, JSON.stringify(ports));
      this.#portsFile = path;
    });
  }

  /** The ports file goes with the process; the pid file stays. */
  stopped(): void {
    if (this.#portsFile !== undefined) removeFile(this.#portsFile);
  }

  #attempt(what: string, write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#log.error(`${what}: ${error instanceof Error ? error.message : error}`);
    }
  }
}
