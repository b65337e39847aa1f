/** Options → where the log goes: a file, or the terminal (spec cli-config-monitoring, section 3.1). */
import type { Options } from "../config/mod.ts";
import { fileSink, type LogSettings, processId, ServerLog, terminalSink } from "../system/mod.ts";

export function openServerLog(options: Options): ServerLog {
  return new ServerLog(logSettings(options));
}

/** Throws with the operator's text when a log file cannot be opened. */
export function logSettings({ nats, streaming }: Options): LogSettings {
  const sink = nats.logFile === ""
    ? terminalSink()
    : fileSink({ path: nats.logFile, sizeLimit: nats.logSizeLimit, pid: processId });
  return {
    sink,
    pid: processId,
    timestamps: nats.logtime,
    utc: nats.logtimeUtc,
    debug: nats.debug,
    trace: nats.trace,
    streamingDebug: streaming.debug,
    streamingTrace: streaming.trace,
  };
}
