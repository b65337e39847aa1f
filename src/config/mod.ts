/**
 * The configuration: turns a command line, its files and the environment into options, or into what to print instead.
 * It knows the configuration language and every option by its row.
 * It must not know files, sockets, clocks or any other part of the server: text comes in through {@link ConfigIo}.
 */
export { parseCommandLine } from "./command_line.ts";
export type { CommandLineResult, ExitRequest, RunRequest } from "./command_line.ts";
export { checkFiles } from "./check_files.ts";
export { checkStart } from "./check_start.ts";
export type { StartRefusal } from "./check_start.ts";
export { defaultOptions } from "./defaults.ts";
export { effectiveOptions, ENCRYPTION_KEY_VARIABLE } from "./effective.ts";
export { ConfigError } from "./errors.ts";
export type { ConfigIo } from "./parser.ts";
export type { SignalCommand, SignalRequest } from "./signal_request.ts";
export { NATS_VERSION, VERSION, VERSION_LINE } from "./version.ts";
export { diffForReload, RELOAD_EXTERNAL, RELOADED, reloadOptions } from "./reload.ts";
export type { ReloadApplied, ReloadGroup, ReloadRefused, ReloadResult } from "./reload.ts";
export { syslogTarget } from "./syslog_target.ts";
export type { SyslogTarget } from "./syslog_target.ts";
export { durationText, parseDuration } from "./values.ts";
export type * from "./options.ts";
export type * from "./nats_options.ts";
