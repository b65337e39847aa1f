/**
 * Hosts on a network that a test makes for itself: namespaces of the Linux kernel, joined by one bridge, on which the test
 * itself has an address too. No packet leaves it, and all of it is gone with the test's process.
 */
import { type Scenario, scenario } from "./scenario.ts";

const INSIDE = "TEST_NETWORK";

const root = decodeURIComponent(new URL("../..", import.meta.url).pathname);

/** A network, processes and a place for the names of namespaces that nobody else sees, and that end with their first process. */
const ISOLATED = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
const PREPARED = "mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns && ip link set lo up && " +
  'ip link add hub type bridge && exec "$@"';

/** Whether this machine lets this user make networks; what is missing is said aloud. */
function isPossible(): boolean {
  let reason: string;
  try {
    const [program, ...args] = [...ISOLATED, "sh", "-c", PREPARED, "sh", "ip", "netns", "add", "probe"];
    const { success, stderr } = new Deno.Command(program!, { args }).outputSync();
    if (success) return true;
    reason = new TextDecoder().decode(stderr).trim();
  } catch (error) {
    reason = String(error);
  }
  console.warn(
    `SKIPPED: no networks of the test's own can be made here (Linux, root and iproute2 are needed): ${reason}`,
  );
  return false;
}

const inside = Deno.env.get(INSIDE) !== undefined;
const possible = inside || isPossible();

/** Declares a scenario of `file` that runs on a network of its own, for which it is started again in a process of its own. */
export function networkScenario(
  file: string,
  name: string,
  run: (world: Scenario) => Promise<void>,
  { ignore = false } = {},
): void {
  if (inside) return scenario(name, run);
  Deno.test({
    name,
    ignore: ignore || !possible,
    fn: async () => {
      const filter = `/^${name.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&")}$/`;
      const again = ["test", "-A", "--no-check", "--config", `${root}deno.json`, "--filter", filter, file];
      const [program, ...args] = [...ISOLATED, "sh", "-c", PREPARED, "sh", Deno.execPath(), ...again];
      const child = new Deno.Command(program!, { args, env: { [INSIDE]: "1" }, stdin: "null" }).spawn();
      const { success } = await child.status;
      if (!success) throw new Error("failed on its own network, see above");
    },
  });
}

/** The hosts, to be made once on a network. */
export class Hosts {
  readonly #names: readonly string[];

  private constructor(names: readonly string[]) {
    this.#names = names;
  }

  static async make(names: readonly string[]): Promise<Hosts> {
    const hosts = new Hosts(names);
    await ip("addr", "add", "10.9.0.254/24", "dev", "hub");
    await ip("link", "set", "hub", "up");
    for (const name of names) {
      await ip("netns", "add", name);
      await ip("link", "add", `port-${name}`, "type", "veth", "peer", "name", "eth0", "netns", name);
      await ip("link", "set", `port-${name}`, "master", "hub", "up");
      await ip("-n", name, "addr", "add", `${hosts.address(name)}/24`, "dev", "eth0");
      await ip("-n", name, "link", "set", "eth0", "up");
      await ip("-n", name, "link", "set", "lo", "up");
    }
    return hosts;
  }

  address(name: string): string {
    return `10.9.0.${this.#names.indexOf(name) + 1}`;
  }

  /** A command that runs on a host. */
  command(name: string, command: readonly string[]): string[] {
    return ["ip", "netns", "exec", name, ...command];
  }

  /** Pulls the host's cable, or plugs it in again. */
  async plug(name: string, plugged: boolean): Promise<void> {
    await ip("link", "set", `port-${name}`, plugged ? "up" : "down");
  }

  /** From now on what `from` sends to `to` is lost on the way without a word. */
  async lose(from: string, to: string): Promise<void> {
    // Nobody has that hardware address.
    const nobody = "02:00:00:00:00:99";
    await ip("-n", from, "neigh", "replace", this.address(to), "lladdr", nobody, "nud", "permanent", "dev", "eth0");
  }

  /** Ends what {@link lose} began. */
  async restore(from: string, to: string): Promise<void> {
    await ip("-n", from, "neigh", "del", this.address(to), "dev", "eth0");
  }
}

async function ip(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("ip", { args, stdin: "null" }).output();
  if (!success) throw new Error(`ip ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
