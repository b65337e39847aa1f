/** This process: its arguments, environment, output and end. */
import fs from "node:fs";
import process from "node:process";

/** The arguments after the program's name. */
export const processArguments: readonly string[] = Deno.args;

export const processId: number = Deno.pid;

/** What pages and log lines name as the runtime, e.g. `deno2.9.6`. */
export const runtimeVersion = `deno${Deno.version.deno}`;

/** A variable of the environment; `undefined` when it is not set. */
export function environment(name: string): string | undefined {
  return Deno.env.get(name);
}

/** The folder that relative paths start from. */
export function currentFolder(): string {
  return Deno.cwd();
}

/** This machine's name. */
export function hostName(): string {
  return Deno.hostname();
}

/** The base name of the program, e.g. `nats-streaming-server`; `deno` when it is not compiled. */
export function programName(): string {
  return Deno.execPath().split(/[\\/]/).pop()!.replace(/\.exe$/, "");
}

/** Writes text to standard output. */
export function print(text: string): void {
  writeAll(1, text);
}

/** Writes text to standard error. */
export function printError(text: string): void {
  writeAll(2, text);
}

function writeAll(descriptor: number, text: string): void {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let at = 0; at < bytes.length;) at += fs.writeSync(descriptor, bytes, at);
  } catch {
    // Nobody reads any more.
  }
}

/** The whole text of a small file. Throws node's error, with its `code`. */
export function readText(path: string): string {
  return fs.readFileSync(path, "utf8");
}

/** Writes a small file anew; `mode`: permission bits before the umask. Throws node's error. */
export function writeText(path: string, text: string, mode = 0o666): void {
  fs.writeFileSync(path, text, { mode });
}

/** Removes a file; a missing one is fine. */
export function removeFile(path: string): void {
  fs.rmSync(path, { force: true });
}

/** Ends the process at once. */
export function exit(code: number): never {
  Deno.exit(code);
}

/** Open file descriptors and how many there may be; zeros where the system does not say. */
export function openFiles(): { open: number; max: number } {
  try {
    const limits = fs.readFileSync("/proc/self/limits", "utf8");
    const max = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 0);
    // Looking into the folder opens one more.
    return { open: fs.readdirSync("/proc/self/fd").length - 1, max };
  } catch {
    return { open: 0, max: 0 };
  }
}

/** Resident memory, bytes. */
export function residentMemory(): number {
  return Deno.memoryUsage().rss;
}

/** How long the processor time of one measurement counts, in milliseconds. */
const MEASURED = 1_000;
let measuredAt = performance.now();
let measured = cpuMillis();
let share = 0;

/** Resident bytes, processors, and per cent of one processor since about a second ago. */
export function resourceUsage(): { memory: number; cores: number; cpu: number } {
  const now = performance.now();
  if (now - measuredAt >= MEASURED) {
    const used = cpuMillis();
    share = Math.round(1_000 * (used - measured) / (now - measuredAt)) / 10;
    measuredAt = now;
    measured = used;
  }
  return { memory: residentMemory(), cores: navigator.hardwareConcurrency, cpu: share };
}

function cpuMillis(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** The other processes whose program, or the script it runs, has this base name; only where the system lists processes as files. */
export function processesNamed(name: string): number[] {
  const found: number[] = [];
  for (const entry of fs.readdirSync("/proc")) {
    if (!/^\d+$/.test(entry) || Number(entry) === Deno.pid) continue;
    if (programOf(entry).split("/").pop() === name) found.push(Number(entry));
  }
  return found;
}

function programOf(pid: string): string {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")[0] ?? "";
  } catch {
    return "";
  }
}

/** Ends other processes politely or otherwise: what `-sl` does. Throws node's or Deno's error. */
export function sendSignal(
  pid: number,
  signal: "SIGKILL" | "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGUSR1" | "SIGUSR2",
): void {
  Deno.kill(pid, signal);
}

/** Tells a bug that nothing caught to `report`, which then ends the process; without it the runtime prints and exits with 1. */
export function onUncaught(report: (error: unknown) => void): void {
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    report(event.error);
  });
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    report(event.reason);
  });
}
