/**
 * Where the server's lines go. Levels as in the reference (spec cli-config-monitoring, section 3.2): `[FTL]`, `[ERR]`,
 * `[WRN]`, `[INF]`, `[DBG]`, `[TRC]`. A line is text without its time, level or line end.
 */
export interface Log {
  fatal(text: string): void;
  error(text: string): void;
  warn(text: string): void;
  notice(text: string): void;
  /** Shown with `-D` or `-SD` only. Ask {@link debugging} before building an expensive text. */
  debug(text: string): void;
  /** Shown with `-V` or `-SV` only. Ask {@link tracing} first. */
  trace(text: string): void;
  readonly debugging: boolean;
  readonly tracing: boolean;
}

/** A log that keeps nothing: for tests and tools. */
export const silentLog: Log = {
  fatal() {},
  error() {},
  warn() {},
  notice() {},
  debug() {},
  trace() {},
  debugging: false,
  tracing: false,
};
