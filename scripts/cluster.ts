/**
 * Runs three nodes on this machine until interrupted, each with its own embedded NATS server, meshed by routes, and
 * prints how to reach them. Usage: `deno task cluster [first port] [folder]`; state is kept in `data/cluster` unless told
 * otherwise.
 */
import { ENGINE_FLAGS } from "./engine_flags.ts";

const root = decodeURIComponent(new URL("..", import.meta.url).pathname);
const names = ["a", "b", "c"] as const;

/** What one node listens on: clients, pages, and the other NATS servers. */
interface Ports {
  readonly client: number;
  readonly monitor: number;
  readonly route: number;
}

/** Each node's ports, in the order of the names. */
export function portsFrom(first: number): readonly Ports[] {
  return names.map((_, i) => ({ client: first + i, monitor: first + 4000 + i, route: first + 2000 + i }));
}

/** The configuration file of one node: NATS settings, then streaming settings, as on three hosts. */
export function configuration(index: number, ports: readonly Ports[], folder: string): string {
  const own = ports[index]!;
  const others = names.filter((_, i) => i !== index);
  const routes = ports.filter((_, i) => i !== index).map(({ route }) => `"nats://127.0.0.1:${route}"`);
  return `listen: 127.0.0.1:${own.client}
http: 127.0.0.1:${own.monitor}
cluster {
  name: local
  listen: 127.0.0.1:${own.route}
  routes: [${routes.join(", ")}]
}
streaming {
  id: test-cluster
  store: file
  dir: "${folder}/${names[index]}/store"
  cluster {
    node_id: "${names[index]}"
    peers: [${others.map((name) => `"${name}"`).join(", ")}]
    log_path: "${folder}/${names[index]}/log"
  }
}
`;
}

async function main(): Promise<void> {
  const [first = "4222", given = "data/cluster"] = Deno.args;
  const ports = portsFrom(Number(first));
  const folder = given.startsWith("/") ? given : root + given;
  Deno.mkdirSync(folder, { recursive: true });
  const nodes = names.map((name, i) => {
    const file = `${folder}/${name}.conf`;
    Deno.writeTextFileSync(file, configuration(i, ports, folder));
    return { name, process: start(file) };
  });
  console.log(introduction(ports, given));
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    // From a terminal the nodes get the signal themselves; a second one does no harm.
    Deno.addSignalListener(signal, () => nodes.forEach(({ process }) => quietly(() => process.kill("SIGTERM"))));
  }
  await Promise.all(nodes.map(async ({ name, process }) => {
    await Promise.all([follow(name, process.stdout), follow(name, process.stderr)]);
    const { code } = await process.status;
    console.log(`${name} | ended with ${code}`);
  }));
}

function introduction(ports: readonly Ports[], folder: string): string {
  const lines = names.map((name, i) =>
    `  ${name}  nats://127.0.0.1:${ports[i]!.client}  http://127.0.0.1:${ports[i]!.monitor}/streaming/serverz`
  );
  return [
    "Three nodes of the cluster test-cluster (node, NATS address, monitoring page):",
    ...lines,
    `Clients may use any of the addresses. State is kept in ${folder}. Ctrl-C ends all three.`,
    "",
  ].join("\n");
}

function start(file: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", ...ENGINE_FLAGS, "-A", "--no-check", "cli.ts", "-c", file],
    cwd: root,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function follow(name: string, stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) console.log(`${name} | ${line}`);
  }
}

function quietly(run: () => void): void {
  try {
    run();
  } catch {
    // It has ended already.
  }
}

if (import.meta.main) await main();
