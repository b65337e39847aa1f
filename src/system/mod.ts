/**
 * The machine: clock, chance, files, sockets, log, web server, signals; the ports' production implementations.
 * Knows Deno, `node:fs`, `node:tls` and the ports; nothing else names them.
 * Must not know what the server does with any of it.
 */
export { systemClock } from "./clock.ts";
export { systemRandom } from "./random.ts";
export { systemPasswordHasher } from "./bcrypt_thread.ts";
export { systemCommands } from "./commands.ts";
export { systemFiles } from "./files.ts";
export { systemNetwork } from "./network.ts";
export { type LogSettings, type LogSink, ServerLog, terminalSink, timeOfDay } from "./log.ts";
export { fileSink, type LogFileOptions } from "./log_file.ts";
export { openSyslog, type SyslogOptions } from "./syslog.ts";
export {
  type HttpHandler,
  type HttpOptions,
  type HttpRequest,
  type HttpResponse,
  type HttpServer,
  serveHttp,
} from "./http.ts";
export { onSignals, type Signal } from "./signals.ts";
export * from "./process.ts";
