/** One server as one process: its log, its signals, its exit code (spec cli-config-monitoring, sections 3 and 4). */
import { checkFiles, checkStart, type Options, type ReloadResult, type StartRefusal, VERSION } from "../config/mod.ts";
import type { System } from "../registry.ts";
import { openServerLog } from "./logging.ts";
import { startMonitor } from "./monitor.ts";
import { ProcessFiles } from "./process_files.ts";
import { Reloading } from "./reloading.ts";
import { FileFailed } from "../ports/files.ts";
import { NetworkFailed } from "../ports/network.ts";
import { StoreFailed } from "../ports/store.ts";
import { StartFailed } from "../protocol/errors.ts";
import { type RunningServer, serve } from "../serve.ts";
import {
  onSignals,
  openFiles,
  printError,
  readText,
  resourceUsage,
  runtimeVersion,
  type ServerLog,
  systemClock,
  systemCommands,
  systemFiles,
  systemNetwork,
  systemPasswordHasher,
  systemRandom,
  timeOfDay,
} from "../system/mod.ts";

/** The exit codes that the process may end with. */
export const ExitCode = { interrupted: 0, failed: 1, terminated: 143 } as const;

/** What a process is asked to run. */
export interface ProcessRequest {
  readonly options: Options;
  /** About the configuration; logged. */
  readonly warnings: readonly string[];
  /** Reads the options anew and compares them with those in use. */
  readonly reread: (inUse: Options) => ReloadResult;
}

/** Runs a server until a signal or a failure ends it; answers the exit code. */
export async function runProcess({ options, warnings, reread }: ProcessRequest): Promise<number> {
  const log = await openServerLog(options).catch((error: unknown) => logUnavailable(error));
  if (log === undefined) return ExitCode.failed;
  for (const warning of warnings) log.streaming.warn(warning);
  const refusal = checkStart(options) ?? checkFiles(options, readText);
  if (refusal !== undefined) return await refuse(refusal, options, log);
  const ended = Promise.withResolvers<number>();
  const reloading = new Reloading(options, reread, log);
  const files = new ProcessFiles(options, log.nats);
  let running: RunningServer | undefined;
  const stopSignals = onSignals(["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"], (signal) => {
    if (signal === "SIGINT") ended.resolve(ExitCode.interrupted);
    else if (signal === "SIGTERM") ended.resolve(ExitCode.terminated);
    else if (signal === "SIGUSR1") log.reopen();
    else if (signal === "SIGHUP" && running !== undefined) reloading.reload(running);
  });
  start(options, systemOf(log), log, (code) => ended.resolve(code)).then(
    (server) => {
      running = server;
      if (options.streaming.cluster.forceMembers.length > 0) return ended.resolve(ExitCode.interrupted);
      files.started(server);
    },
    (error: unknown) => ended.resolve(failedToStart(error, log)),
  );
  const code = await ended.promise;
  if (code !== ExitCode.failed) log.streaming.notice("Shutting down.");
  const tellsOfNats = code !== ExitCode.failed && running !== undefined && options.streaming.natsServer === "";
  if (tellsOfNats) log.nats.notice("Initiating Shutdown...");
  await running?.stop().catch((error: unknown) => log.streaming.error(`Error on shutdown: ${textOf(error)}`));
  if (tellsOfNats) log.nats.notice("Server Exiting..");
  stopSignals();
  await log.close();
  return code;
}

/** The line names its own part of the server already. */
async function refuse({ line, hint }: StartRefusal, options: Options, log: ServerLog): Promise<number> {
  log.streaming.notice(`Starting nats-streaming-server[${options.streaming.clusterId}] version ${VERSION}`);
  if (hint !== undefined) log.streaming.warn(hint);
  log.nats.fatal(line);
  await log.close();
  return ExitCode.failed;
}

/** Without a log its failure goes to the terminal, with the time but no fraction. */
function logUnavailable(error: unknown): undefined {
  printError(`${timeOfDay(false).slice(0, SECONDS_LENGTH)} ${textOf(error)}\n`);
}

/** The length of `2026/11/22 09:46:19`. */
const SECONDS_LENGTH = 19;

function systemOf(log: ServerLog): System {
  return {
    clock: systemClock(),
    random: systemRandom(),
    files: systemFiles(),
    commands: systemCommands(),
    network: systemNetwork(),
    passwords: systemPasswordHasher(),
    usage: resourceUsage,
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
    if (error.isWholeLine) log.nats.fatal(error.message);
    else log.streaming.fatal(`Failed to start: ${error.message}`);
    return error.code;
  }
  if (error instanceof StoreFailed || error instanceof FileFailed || error instanceof NetworkFailed) {
    log.streaming.fatal(`Failed to start: ${error.message}`);
    return ExitCode.failed;
  }
  throw error;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
