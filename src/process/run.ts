/** One server as one process: its log, its signals, its exit code (spec cli-config-monitoring, sections 3 and 4). */
import { checkStart, type Options, type StartRefusal } from "../config/mod.ts";
import type { System } from "../registry.ts";
import { startMonitor } from "./monitor.ts";
import { FileFailed } from "../ports/files.ts";
import { NetworkFailed } from "../ports/network.ts";
import { StoreFailed } from "../ports/store.ts";
import { StartFailed } from "../protocol/errors.ts";
import { type RunningServer, serve } from "../serve.ts";
import {
  fileSink,
  onSignals,
  openFiles,
  processId,
  runtimeVersion,
  ServerLog,
  systemClock,
  systemFiles,
  systemNetwork,
  systemRandom,
  terminalSink,
} from "../system/mod.ts";

/** The exit codes that the process may end with. */
export const ExitCode = { interrupted: 0, failed: 1, terminated: 143 } as const;

/** What a process is asked to run. */
export interface ProcessRequest {
  readonly options: Options;
  /** About the configuration; logged. */
  readonly warnings: readonly string[];
  /** Loads the options anew. Throws why not. */
  readonly reread: () => Options;
}

/** Runs a server until a signal or a failure ends it; answers the exit code. */
export async function runProcess({ options, warnings, reread }: ProcessRequest): Promise<number> {
  const log = openLog(options);
  for (const warning of warnings) log.streaming.warn(warning);
  const refusal = checkStart(options);
  if (refusal !== undefined) return refuse(refusal, log);
  const ended = Promise.withResolvers<number>();
  let running: RunningServer | undefined;
  const stopSignals = onSignals(["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"], (signal) => {
    if (signal === "SIGINT") ended.resolve(ExitCode.interrupted);
    else if (signal === "SIGTERM") ended.resolve(ExitCode.terminated);
    else if (signal === "SIGUSR1") log.reopen();
    else if (signal === "SIGHUP") reload(running, reread, log);
  });
  start(options, systemOf(log), log, (code) => ended.resolve(code)).then(
    (server) => running = server,
    (error: unknown) => ended.resolve(failedToStart(error, log)),
  );
  const code = await ended.promise;
  if (code !== ExitCode.failed) log.streaming.notice("Shutting down.");
  await running?.stop().catch((error: unknown) => log.streaming.error(`Error on shutdown: ${textOf(error)}`));
  stopSignals();
  log.close();
  return code;
}

/** The line names its own part of the server already. */
function refuse({ line, hint }: StartRefusal, log: ServerLog): number {
  if (hint !== undefined) log.streaming.warn(hint);
  log.nats.fatal(line);
  log.close();
  return ExitCode.failed;
}

function systemOf(log: ServerLog): System {
  return {
    clock: systemClock(),
    random: systemRandom(),
    files: systemFiles(),
    network: systemNetwork(),
    log: log.streaming,
    natsLog: log.nats,
  };
}

function start(
  options: Options,
  system: System,
  log: ServerLog,
  end: (code: number) => void,
): Promise<RunningServer> {
  const embedded = options.streaming.natsServer === "";
  return serve(options, {
    system,
    runtime: runtimeVersion,
    openFiles,
    monitor: (pages) => startMonitor(options.nats, pages, { files: system.files, log: log.nats, embedded }),
    onFatal: (_reason, code) => end(code),
  });
}

/** Logs why the server did not start; an error that nobody foresaw is thrown on. */
function failedToStart(error: unknown, log: ServerLog): number {
  if (error instanceof StartFailed) {
    log.streaming.fatal(`Failed to start: ${error.message}`);
    return error.code;
  }
  if (error instanceof StoreFailed || error instanceof FileFailed || error instanceof NetworkFailed) {
    log.streaming.fatal(`Failed to start: ${error.message}`);
    return ExitCode.failed;
  }
  throw error;
}

function reload(running: RunningServer | undefined, reread: () => Options, log: ServerLog): void {
  try {
    running?.reload(reread()).catch((error: unknown) => log.streaming.error(`Reload: ${textOf(error)}`));
  } catch (error) {
    log.streaming.error(`Reload: ${textOf(error)}`);
  }
}

function openLog({ nats, streaming }: Options): ServerLog {
  const sink = nats.logFile === ""
    ? terminalSink()
    : fileSink({ path: nats.logFile, sizeLimit: nats.logSizeLimit, pid: processId });
  return new ServerLog({
    sink,
    pid: processId,
    timestamps: nats.logtime,
    utc: nats.logtimeUtc,
    debug: nats.debug,
    trace: nats.trace,
    streamingDebug: streaming.debug,
    streamingTrace: streaming.trace,
  });
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
