/**
 * Real processes of the server for scenarios: started, waited for by their log lines and never by a delay, and gone with
 * the scenario. The variable STREAMING_SERVER names another program with the same command line to run instead.
 */
import { ENGINE_FLAGS } from "../../scripts/engine_flags.ts";
import { deadline } from "./deadline.ts";

const root = decodeURIComponent(new URL("../..", import.meta.url).pathname);
const substitute = Deno.env.get("STREAMING_SERVER");

/** Whether the scenarios run this repository's server, and not a substitute. */
export const isOwnServer = substitute === undefined;

/** The command that runs the server from its sources. */
export function serverCommand(): readonly string[] {
  if (substitute !== undefined) return [substitute];
  const run = [Deno.execPath(), "run", "--quiet", ...ENGINE_FLAGS, "-A", "--no-check"];
  return [...run, "--config", `${root}deno.json`, `${root}cli.ts`];
}

export interface LaunchOptions {
  /** The process's own folder, where relative paths start. */
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The program and its first arguments; {@link serverCommand} unless given. */
  readonly command?: readonly string[];
  /** Whether only `env` is in the environment. */
  readonly clearEnv?: boolean;
}

interface Waiting {
  readonly pattern: RegExp;
  from: number;
  readonly resolve: (match: RegExpExecArray) => void;
  readonly reject: (error: Error) => void;
}

export class ServerProcess {
  /** Everything on standard error, line by line. */
  readonly lines: string[] = [];
  readonly args: readonly string[];
  readonly ended: Promise<Deno.CommandStatus>;
  /** All of standard output, once the process has ended. */
  readonly output: Promise<string>;
  readonly #process: Deno.ChildProcess;
  #waiting: Waiting[] = [];
  #over = false;

  /** Starts a process and does not wait for anything. */
  constructor(args: readonly string[], options: LaunchOptions = {}) {
    this.args = args;
    const [program, ...first] = options.command ?? serverCommand();
    this.#process = new Deno.Command(program!, {
      args: [...first, ...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      clearEnv: options.clearEnv ?? false,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: options.env }),
    }).spawn();
    this.output = new Response(this.#process.stdout).text();
    this.ended = this.#end(this.#readLines(this.#process.stderr));
  }

  get pid(): number {
    return this.#process.pid;
  }

  get running(): boolean {
    return !this.#over;
  }

  /** The exit code, or the signal that ended it, e.g. `SIGKILL`. */
  async exit(limit = 40_000): Promise<number | string> {
    const { code, signal } = await deadline(this.ended, limit, () => this.#problem("did not end"));
    return signal ?? code;
  }

  /** Waits for a log line, the lines since `from` included. Rejects when the process ends or time is up. */
  line(pattern: RegExp, { from = 0, limit = 40_000 } = {}): Promise<RegExpExecArray> {
    const found = new Promise<RegExpExecArray>((resolve, reject) => {
      this.#waiting.push({ pattern, from, resolve, reject });
      this.#look();
      if (this.#over) this.#waiting.pop()?.reject(this.#problem(`ended before ${pattern}`));
    });
    return deadline(found, limit, () => this.#problem(`did not log ${pattern}`));
  }

  /** Where NATS clients connect, once the embedded server listens. */
  async natsUrl(): Promise<string> {
    const [, port] = await this.line(/Listening for client connections on .*:(\d+)$/);
    return `nats://127.0.0.1:${port}`;
  }

  /** Where the monitoring pages are, once they are served. */
  async monitorUrl(): Promise<string> {
    const [, port] = await this.line(/Starting http monitor on .*:(\d+)$/);
    return `http://127.0.0.1:${port}`;
  }

  /** Waits until a server that runs alone serves clients. */
  async ready(): Promise<this> {
    await this.line(/STREAM: Streaming Server is ready$/);
    return this;
  }

  /** Waits until this node leads. */
  async leads({ from = 0, limit = 40_000 } = {}): Promise<this> {
    await this.line(/STREAM: finished leader promotion actions$/, { from, limit });
    return this;
  }

  signal(signal: Deno.Signal): void {
    if (!this.#over) this.#process.kill(signal);
  }

  /** Kills it (-9) and waits until it is gone. */
  async kill(): Promise<void> {
    try {
      this.signal("SIGKILL");
    } catch {
      // It has just ended by itself.
    }
    await this.ended;
  }

  /** Asks it to end and answers the exit code. */
  terminate(signal: Deno.Signal = "SIGTERM"): Promise<number | string> {
    this.signal(signal);
    return this.exit();
  }

  /** The last lines, for messages about failures. */
  tail(count = 40): string {
    return this.lines.slice(-count).join("\n");
  }

  async #end(reading: Promise<void>): Promise<Deno.CommandStatus> {
    const [status] = await Promise.all([this.#process.status, reading, this.output]);
    this.#over = true;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#problem(`ended before ${waiting.pattern}`));
    return status;
  }

  #look(): void {
    this.#waiting = this.#waiting.filter((waiting) => {
      for (; waiting.from < this.lines.length; waiting.from++) {
        const match = waiting.pattern.exec(this.lines[waiting.from]!);
        if (match === null) continue;
        waiting.resolve(match);
        return false;
      }
      return true;
    });
  }

  async #readLines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + text).split("\n");
      rest = parts.pop()!;
      this.lines.push(...parts);
      this.#look();
    }
    if (rest !== "") this.lines.push(rest);
    this.#look();
  }

  #problem(what: string): Error {
    return new Error(`the server ${this.args.join(" ")} ${what}; its last lines:\n${this.tail()}`);
  }
}

/** Ports that were free a moment ago, all different. */
export function freePorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  const ports = listeners.map((listener) => listener.addr.port);
  for (const listener of listeners) listener.close();
  return ports;
}
