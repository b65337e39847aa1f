/** The server's log: lines as the reference writes them (spec cli-config-monitoring, section 3.2), to wherever the operator wants them. */
import type { Log } from "../ports/log.ts";
import type { Awaitable, Millis } from "../protocol/units.ts";
import { wallTime } from "./wall_time.ts";

export type Level = "INF" | "DBG" | "WRN" | "ERR" | "FTL" | "TRC";

/** Where finished lines go: the terminal, a file, syslog. */
export interface LogSink {
  /**
   * Takes one line. `stamp` is what precedes the text in a file, e.g. `[4242] 2026/11/22 11:40:32.123456 `; a sink with
   * its own notion of time and level leaves it away. Never throws.
   */
  write(stamp: string, level: Level, text: string): void;
  /** Opens the destination anew, after somebody moved the file away; `false` when there is nothing to reopen. */
  reopen(): boolean;
  /** Resolves when the last lines are where they belong, or cannot get there. Never rejects. */
  close(): Awaitable<void>;
}

export interface LogSettings {
  readonly sink: LogSink;
  readonly pid: number;
  /** Whether lines carry the time; `-T=false` takes it away. */
  readonly timestamps: boolean;
  /** Times in UTC instead of the local zone. */
  readonly utc: boolean;
  /** Messages of the NATS part (`-D`, `-V`). */
  readonly debug: boolean;
  readonly trace: boolean;
  /** Messages of the streaming part (`-SD`, `-SV`). */
  readonly streamingDebug: boolean;
  readonly streamingTrace: boolean;
}

/** The process's log. Its two views share the destination and differ in prefix and levels. */
export class ServerLog {
  /** Lines of the embedded NATS server. */
  readonly nats: Log;
  /** Lines that start with `STREAM: `. */
  readonly streaming: Log;
  #settings: LogSettings;

  constructor(settings: LogSettings) {
    this.#settings = settings;
    const emit = (level: Level, text: string) => this.#emit(level, text);
    this.nats = new View(emit, "", () => ({ debug: this.#settings.debug, trace: this.#settings.trace }));
    this.streaming = new View(
      emit,
      "STREAM: ",
      () => ({ debug: this.#settings.streamingDebug, trace: this.#settings.streamingTrace }),
    );
  }

  /** Takes over changed settings, as after a reload. A replaced sink is closed. */
  change(settings: Partial<LogSettings>): void {
    const before = this.#settings.sink;
    this.#settings = { ...this.#settings, ...settings };
    if (this.#settings.sink !== before) void before.close();
  }

  /** What SIGUSR1 asks for. */
  reopen(): void {
    if (this.#settings.sink.reopen()) this.streaming.notice("File log re-opened");
    else this.streaming.notice("File log re-open ignored, not a file logger");
  }

  /** Resolves when the last lines are out. */
  async close(): Promise<void> {
    await this.#settings.sink.close();
  }

  #emit(level: Level, text: string): void {
    const { sink, pid, timestamps, utc } = this.#settings;
    sink.write(timestamps ? `[${pid}] ${timeOfDay(utc)} ` : `[${pid}] `, level, text);
  }
}

class View implements Log {
  readonly #emit: (level: Level, text: string) => void;
  readonly #prefix: string;
  readonly #levels: () => { debug: boolean; trace: boolean };

  constructor(
    emit: (level: Level, text: string) => void,
    prefix: string,
    levels: () => { debug: boolean; trace: boolean },
  ) {
    this.#emit = emit;
    this.#prefix = prefix;
    this.#levels = levels;
  }

  get debugging(): boolean {
    return this.#levels().debug;
  }

  get tracing(): boolean {
    return this.#levels().trace;
  }

  fatal(text: string): void {
    this.#emit("FTL", this.#prefix + text);
  }

  error(text: string): void {
    this.#emit("ERR", this.#prefix + text);
  }

  warn(text: string): void {
    this.#emit("WRN", this.#prefix + text);
  }

  notice(text: string): void {
    this.#emit("INF", this.#prefix + text);
  }

  debug(text: string): void {
    if (this.debugging) this.#emit("DBG", this.#prefix + text);
  }

  trace(text: string): void {
    if (this.tracing) this.#emit("TRC", this.#prefix + text);
  }
}

const colours: Readonly<Record<Level, string>> = {
  INF: "32",
  DBG: "36",
  WRN: "0;93",
  ERR: "31",
  FTL: "31",
  TRC: "33",
};

/** Lines on standard error, with the level in colour when that is a terminal. */
export function terminalSink(): LogSink {
  const encoder = new TextEncoder();
  const coloured = Deno.stderr.isTerminal();
  return {
    write(stamp, level, text) {
      const shown = coloured ? `\x1b[${colours[level]}m${level}\x1b[0m` : level;
      try {
        writeAll(encoder.encode(`${stamp}[${shown}] ${text}\n`));
      } catch {
        // Nobody reads any more; the server goes on.
      }
    },
    reopen: () => false,
    close() {},
  };
}

function writeAll(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += Deno.stderr.writeSync(bytes.subarray(at));
}

/** `2026/11/22 11:40:32.123456`, now unless a time is given. */
export function timeOfDay(utc: boolean, millis: Millis = wallTime()): string {
  const now = new Date(utc ? millis : millis - new Date(millis).getTimezoneOffset() * 60_000);
  // A date's ISO form is in UTC; shifted by the zone, it shows local time.
  const [day, time] = now.toISOString().slice(0, 23).split("T");
  const micros = String(Math.floor((millis % 1) * 1000)).padStart(3, "0");
  return `${day!.replaceAll("-", "/")} ${time}${micros}`;
}
