/** Options → where the log goes: a file, syslog, or the terminal (spec cli-config-monitoring, section 3.1). */
import { type Options, syslogTarget } from "../config/mod.ts";
import {
  fileSink,
  type LogSettings,
  type LogSink,
  openSyslog,
  processId,
  programName,
  ServerLog,
  terminalSink,
} from "../system/mod.ts";

/** Rejects with the operator's text when the log's destination cannot be opened. */
export async function openServerLog(options: Options): Promise<ServerLog> {
  return new ServerLog(await logSettings(options));
}

/** Rejects with the operator's text when the destination cannot be opened. */
export async function logSettings(options: Options): Promise<LogSettings> {
  const { nats, streaming } = options;
  return {
    sink: await openSink(options),
    pid: processId,
    timestamps: nats.logtime,
    utc: nats.logtimeUtc,
    debug: nats.debug,
    trace: nats.trace,
    streamingDebug: streaming.debug,
    streamingTrace: streaming.trace,
  };
}

async function openSink({ nats }: Options): Promise<LogSink> {
  if (nats.logFile !== "") return fileSink({ path: nats.logFile, sizeLimit: nats.logSizeLimit, pid: processId });
  const address = syslogTarget(nats);
  if (address === undefined) return terminalSink();
  return await openSyslog({ address, tag: logTag(), pid: processId });
}

/** The name of the executable, if it is this server's own. */
function logTag(): string {
  const name = programName();
  return name === "deno" ? "nats-streaming-server" : name;
}
