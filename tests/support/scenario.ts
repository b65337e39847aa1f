/** A test with real processes: it has a folder of its own, and whatever it started ends with it. */
import { type LaunchOptions, ServerProcess } from "./server_process.ts";
import { type ClientOptions, StanClient } from "./stan_client.ts";

export class Scenario {
  readonly folder: string = Deno.makeTempDirSync({ prefix: "scenario-" });
  readonly servers: ServerProcess[] = [];
  readonly #clients: StanClient[] = [];
  readonly #undo: (() => unknown)[] = [];

  /** Starts a server in the scenario's folder. */
  launch(args: readonly string[], options: LaunchOptions = {}): ServerProcess {
    const server = new ServerProcess(args, { cwd: this.folder, ...options });
    this.servers.push(server);
    return server;
  }

  /** Starts a server that runs alone on a free port and waits until it serves. */
  async server(
    args: readonly string[] = [],
    options: LaunchOptions = {},
  ): Promise<{ server: ServerProcess; url: string }> {
    const server = await this.launch(["-a", "127.0.0.1", "-p", "-1", ...args], options).ready();
    return { server, url: await server.natsUrl() };
  }

  /** Connects a STAN client. */
  async client(url: string, clientId: string, options: ClientOptions = {}): Promise<StanClient> {
    const client = await StanClient.connect(url, clientId, options);
    this.#clients.push(client);
    return client;
  }

  /** Calls `undo` when the scenario ends. */
  finally(undo: () => unknown): void {
    this.#undo.push(undo);
  }

  async end(failed: boolean): Promise<void> {
    for (const client of this.#clients) client.abandon();
    for (const server of this.servers) await server.kill();
    for (const undo of this.#undo.reverse()) await undo();
    if (failed) {
      for (const server of this.servers) console.error(`--- ${server.args.join(" ")}\n${server.tail()}`);
    }
    Deno.removeSync(this.folder, { recursive: true });
  }
}

export interface ScenarioOptions {
  readonly ignore?: boolean;
  readonly only?: boolean;
}

/** Declares a test that runs `run` with a fresh {@link Scenario}. */
export function scenario(
  name: string,
  run: (scenario: Scenario) => Promise<void>,
  options: ScenarioOptions = {},
): void {
  Deno.test({
    name,
    ...options,
    // The client library keeps timers of its own for a while after it was closed.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const world = new Scenario();
      let failed = true;
      try {
        await run(world);
        failed = false;
      } finally {
        await world.end(failed);
      }
    },
  });
}
