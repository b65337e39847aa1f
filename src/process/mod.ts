/**
 * One server as one process: its log, monitoring listener, signals, files and exit code.
 * Knows the machine through src/system/, the options, and how a server is started.
 * Must not know what the server does: only that it starts, answers pages, reloads and stops.
 */
export { startMonitor } from "./monitor.ts";
export { ExitCode, type ProcessRequest, runProcess } from "./run.ts";
export { signalServer } from "./signalling.ts";
