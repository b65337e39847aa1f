/** Reads the argument of `-sl`, the request to signal a running server (spec cli-config-monitoring, section 4). */
import { ConfigError } from "./errors.ts";
import type { ConfigIo } from "./parser.ts";
import { quoted } from "./values.ts";

/** What may be asked for. */
export type SignalCommand = "stop" | "quit" | "reopen" | "reload" | "term" | "ldm";

export interface SignalRequest {
  readonly command: SignalCommand;
  /** The signal that a Unix system is to send. */
  readonly signal: "SIGKILL" | "SIGINT" | "SIGUSR1" | "SIGHUP" | "SIGTERM" | "SIGUSR2";
  /** `undefined`: the one running server is meant. */
  readonly pid: number | undefined;
  /** What stood behind `=`; on Windows the name of a service. */
  readonly target: string;
}

const SIGNALS: Readonly<Record<SignalCommand, SignalRequest["signal"]>> = {
  stop: "SIGKILL",
  quit: "SIGINT",
  reopen: "SIGUSR1",
  reload: "SIGHUP",
  term: "SIGTERM",
  ldm: "SIGUSR2",
};

/** Parses `command` or `command=pid`, where pid may be a file holding one. Throws {@link ConfigError}. */
export function parseSignalRequest(text: string, io: ConfigIo): SignalRequest {
  const [command = "", target = "", ...surplus] = text.split("=");
  if (surplus.length > 0) throw new ConfigError(`invalid signal parameters: [${surplus.join(" ")}]`);
  const pid = target === "" ? undefined : parsePid(target, io);
  if (!isCommand(command)) throw new ConfigError(`unknown signal ${quoted(command)}`);
  return { command, signal: SIGNALS[command], pid, target };
}

function isCommand(text: string): text is SignalCommand {
  return Object.hasOwn(SIGNALS, text);
}

function parsePid(target: string, io: ConfigIo): number {
  const text = /^\d+$/.test(target) ? target : pidInFile(target, io);
  if (text === undefined) throw new ConfigError(`invalid pid: ${target}`);
  return Number(text);
}

function pidInFile(path: string, io: ConfigIo): string | undefined {
  try {
    const text = io.read(path);
    return /^\d{1,15}$/.test(text) ? text : undefined;
  } catch {
    return undefined;
  }
}
