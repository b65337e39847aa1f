/** What the tests of the file store share. */
import type { Log } from "../../src/ports/log.ts";
import { silentLog } from "../../src/ports/log.ts";
import type { Commands } from "../../src/ports/commands.ts";
import type { ChannelStore, Store } from "../../src/ports/store.ts";
import { MemoryFiles } from "./memory_files.ts";
import { SeededRandom } from "./seeded_random.ts";
import { start } from "./store_messages.ts";
import { VirtualClock } from "./virtual_clock.ts";
import { openFileStore, type OpenFileStoreOptions } from "../../src/store/file/opening.ts";

/** A clock that a test moves, on which the end of a turn comes by itself. */
export class TestClock extends VirtualClock {
  override soon(run: () => void): void {
    queueMicrotask(run);
  }
}

/** A disk in memory and everything else that a store needs. */
export class Place {
  readonly files: MemoryFiles;
  /** Later than the messages of tests. */
  readonly clock = new TestClock(1_900_000_000_000_000_000n);
  readonly random = new SeededRandom(7);
  log: Log = silentLog;
  commands: Commands | undefined;

  constructor(files = new MemoryFiles()) {
    this.files = files;
  }

  open(options: Partial<OpenFileStoreOptions> = {}): Store {
    const { files, clock, random, log, commands } = this;
    const ports = { files, clock, random, log, ...(commands === undefined ? {} : { commands }) };
    return openFileStore({ ...options, directory: "/data" }, ports);
  }

  /** A store that has a channel `foo`. */
  async withChannel(options: Partial<OpenFileStoreOptions> = {}): Promise<{ store: Store; foo: ChannelStore }> {
    const store = this.open(options);
    await start(store);
    return { store, foo: await store.createChannel("foo") };
  }

  /** Recovers, and gives the channel `foo`. */
  async again(options: Partial<OpenFileStoreOptions> = {}): Promise<{ store: Store; foo: ChannelStore }> {
    const store = this.open(options);
    const foo = (await start(store)).channels.get("foo")!.store;
    return { store, foo };
  }

  /** What is asked of the disk while `run` goes on, reads and openings left out, as `kind file`. */
  async callsOf(run: () => unknown): Promise<string[]> {
    const calls: string[] = [];
    this.files.onCall = ({ kind, path }) => {
      if (kind !== "open") calls.push(`${kind} ${path.replace("/data/", "")}`);
      return undefined;
    };
    await run();
    this.files.onCall = undefined;
    return calls;
  }

  /** The names of files in a folder of the root, or in the root itself. */
  names(folder = ""): string[] {
    return this.files.list(`/data/${folder}`).filter((entry) => entry.isFile).map((entry) => entry.name);
  }
}
