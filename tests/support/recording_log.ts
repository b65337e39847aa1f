/** A log that remembers its lines. */
import type { Log } from "../../src/ports/log.ts";

export class RecordingLog implements Log {
  /** Each with its level first: `ERR text`. */
  readonly lines: string[] = [];
  readonly debugging = false;
  readonly tracing = false;

  fatal(text: string): void {
    this.lines.push(`FTL ${text}`);
  }
  error(text: string): void {
    this.lines.push(`ERR ${text}`);
  }
  warn(text: string): void {
    this.lines.push(`WRN ${text}`);
  }
  notice(text: string): void {
    this.lines.push(`INF ${text}`);
  }
  debug(text: string): void {
    this.lines.push(`DBG ${text}`);
  }
  trace(text: string): void {
    this.lines.push(`TRC ${text}`);
  }
}
