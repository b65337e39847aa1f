/** Log lines to a syslog daemon, on this machine or elsewhere (spec cli-config-monitoring, section 3.2). */
import { setTimeout as delay } from "node:timers/promises";
import type { Level, LogSink } from "./log.ts";
import { hostName, print } from "./process.ts";
import { openSyslogTransport, type SyslogAddress, type SyslogTransport } from "./syslog_transport.ts";
import { wallTime } from "./wall_time.ts";

export interface SyslogOptions {
  readonly address: SyslogAddress;
  /** Names this program in every line. */
  readonly tag: string;
  readonly pid: number;
}

/** Facility "daemon", which only lines to the local daemon name. */
const DAEMON = 3 << 3;

const SEVERITIES: Readonly<Record<Level, number>> = { FTL: 2, ERR: 3, WRN: 4, INF: 5, TRC: 5, DBG: 7 };

/** Bytes that wait for a daemon that does not take them; what comes on top is counted and dropped. */
const MOST_WAITING = 4 * 1024 * 1024;

/** Milliseconds between two tries to reach a daemon that was lost. */
const RETRY = 1_000;

/** How long closing waits for the last lines, milliseconds. */
const FAREWELL = 500;

/**
 * Connects to the daemon. Rejects with the operator's text, e.g. `error connecting to syslog: "Unix syslog delivery
 * error"`. A daemon that goes away later is looked for again; lines wait for it within limits.
 */
export async function openSyslog(options: SyslogOptions): Promise<LogSink> {
  return new Syslog(options, await openSyslogTransport(options.address));
}

class Syslog implements LogSink {
  readonly #options: SyslogOptions;
  readonly #local: boolean;
  readonly #host = hostName();
  #transport: SyslogTransport | undefined;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #dropped = 0;
  #sending: Promise<void> | undefined;
  #closed = false;

  constructor(options: SyslogOptions, transport: SyslogTransport) {
    this.#options = options;
    this.#local = options.address.network === "local";
    this.#transport = transport;
  }

  write(_stamp: string, level: Level, text: string): void {
    if (this.#closed) return;
    // The terminal shows why a start failed, which nobody would look for in the system's log.
    const failure = level === "FTL" ? /^STREAM: Failed to start: (.*)$/s.exec(text)?.[1] : undefined;
    if (failure !== undefined) print(`${failure}\n`);
    this.#enqueue(level, text);
  }

  reopen(): boolean {
    return false;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const end = new AbortController();
    const limit = delay(FAREWELL, undefined, { signal: end.signal }).catch(() => {});
    await Promise.race([this.#sending, limit]);
    end.abort();
    this.#transport?.close();
    this.#transport = undefined;
  }

  #enqueue(level: Level, text: string): void {
    const line = new TextEncoder().encode(this.#frame(level, text));
    if (this.#waitingBytes + line.length > MOST_WAITING) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
    this.#sending ??= this.#send().finally(() => this.#sending = undefined);
  }

  #frame(level: Level, text: string): string {
    const { tag, pid } = this.#options;
    const severity = SEVERITIES[level];
    const body = `${tag}[${pid}]: ${text}\n`;
    if (this.#local) return `<${DAEMON + severity}>${shortTime()} ${body}`;
    return `<${severity}>${zonedTime()} ${this.#host} ${body}`;
  }

  /** Sends what waits; ends when nothing does. Lines are taken away only when they are sent. */
  async #send(): Promise<void> {
    for (;;) {
      const line = this.#waiting[0];
      if (line === undefined) return;
      try {
        this.#transport ??= await openSyslogTransport(this.#options.address);
        await this.#transport.send(line);
      } catch {
        this.#transport?.close();
        this.#transport = undefined;
        if (this.#closed) return;
        await delay(RETRY);
        continue;
      }
      this.#waiting.shift();
      this.#waitingBytes -= line.length;
      this.#reportDropped();
    }
  }

  /** Once there is room again. */
  #reportDropped(): void {
    if (this.#dropped === 0 || this.#waitingBytes > MOST_WAITING / 2) return;
    const lines = this.#dropped;
    this.#dropped = 0;
    this.#enqueue("WRN", `${lines} log lines were lost while syslog did not take them`);
  }
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `Nov  2 09:51:01`, local time. */
function shortTime(): string {
  const now = new Date(wallTime());
  const two = (value: number) => String(value).padStart(2, "0");
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join(":");
  return `${MONTHS[now.getMonth()]} ${String(now.getDate()).padStart(2, " ")} ${time}`;
}

/** `2026-11-22T09:50:26Z`, or with the offset of the local zone instead of `Z`. */
function zonedTime(): string {
  const millis = wallTime();
  const offset = -new Date(millis).getTimezoneOffset();
  const local = new Date(millis + offset * 60_000).toISOString().slice(0, 19);
  if (offset === 0) return `${local}Z`;
  const two = (value: number) => String(value).padStart(2, "0");
  const span = Math.abs(offset);
  return `${local}${offset < 0 ? "-" : "+"}${two(Math.trunc(span / 60))}:${two(span % 60)}`;
}
