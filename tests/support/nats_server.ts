/** Real `nats-server` processes for tests: found on PATH, started on free ports, stopped with the test. */
import { findProgram } from "./programs.ts";

/** Where the program is, or undefined, said aloud once so that skipped tests are seen. */
export const natsServerPath: string | undefined = findProgram("nats-server", {
  remedy: "install Debian's package nats-server to run these tests",
});

/** Further versions, by name, from `NATS_SERVERS=2.10.27=/path/to/nats-server,2.14.0=…`. */
export const newerNatsServers: Record<string, string> = Object.fromEntries(
  (Deno.env.get("NATS_SERVERS") ?? "").split(",").filter((entry) => entry.includes("=")).map((entry) => {
    const at = entry.indexOf("=");
    return [entry.slice(0, at), entry.slice(at + 1)];
  }),
);

export interface NatsServerOptions {
  /** Text of a configuration file, without ports. */
  readonly config?: string;
  /** The client port; a free one unless given, to start again where another server was. */
  readonly port?: number;
  readonly path?: string;
}

export interface RealNatsServer {
  readonly port: number;
  readonly pid: number;
  /** The monitoring port, where the configuration asks for one; 0 otherwise. */
  readonly monitorPort: number;
  /** Ends the process and waits for that. Idempotent. */
  stop(signal?: Deno.Signal): Promise<void>;
}

/** Starts one and waits until it listens. Everything it writes lies in a folder of its own that `stop` removes. */
export async function startNatsServer(options: NatsServerOptions = {}): Promise<RealNatsServer> {
  const path = options.path ?? natsServerPath;
  if (path === undefined) throw new Error("there is no nats-server on this machine");
  const folder = await Deno.makeTempDir({ prefix: "nats-" });
  await Deno.writeTextFile(`${folder}/server.conf`, options.config ?? "");
  const process = new Deno.Command(path, {
    args: [
      "-c",
      `${folder}/server.conf`,
      "-a",
      "127.0.0.1",
      "-p",
      String(options.port ?? -1),
      "--ports_file_dir",
      folder,
    ],
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const output = new Response(process.stderr).text();
  let ended = false;
  process.status.then(() => ended = true);
  let stopped: Promise<void> | undefined;
  const end = async (signal: Deno.Signal) => {
    if (!ended) process.kill(signal);
    await process.status;
    await output;
    await Deno.remove(folder, { recursive: true });
  };
  const stop = (signal: Deno.Signal = "SIGKILL") => stopped ??= end(signal);
  const file = `${folder}/nats-server_${process.pid}.ports`;
  for (let tries = 0; tries < 500; tries++) {
    const ports = await portsIn(file);
    if (ports !== undefined) return { ...ports, pid: process.pid, stop };
    if (ended) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await stop();
  throw new Error(`nats-server did not start: ${await output}`);
}

async function portsIn(file: string): Promise<{ port: number; monitorPort: number } | undefined> {
  try {
    const ports = JSON.parse(await Deno.readTextFile(file)) as { nats: string[]; monitoring?: string[] };
    return { port: portOf(ports.nats[0]), monitorPort: portOf(ports.monitoring?.[0]) };
  } catch {
    return undefined;
  }
}

function portOf(url: string | undefined): number {
  return url === undefined ? 0 : Number(new URL(url.replace(/^\w+:/, "ws:")).port);
}
