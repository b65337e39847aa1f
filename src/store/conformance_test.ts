/** Every store does what the port asks for. */
import { silentLog } from "../ports/log.ts";
import type { Store } from "../ports/store.ts";
import { storeConformance } from "../../tests/conformance/store.ts";
import type { StorePlace } from "../../tests/conformance/store_scenario.ts";
import { MemoryFiles } from "../../tests/support/memory_files.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { VirtualClock } from "../../tests/support/virtual_clock.ts";
import { encrypted, messagesOnly, openFileStore, type OpenFileStoreOptions, openMemoryStore } from "./mod.ts";

type Wrap = (store: Store) => Store;

function memory(wrap: Wrap, more: Partial<StorePlace> = {}): StorePlace {
  return {
    open: (limits) => wrap(openMemoryStore({ limits })),
    persistent: false,
    keepsClients: false,
    fillsGaps: false,
    overhead: 0,
    ...more,
  };
}

function file(wrap: Wrap, options: Partial<OpenFileStoreOptions> = {}, more: Partial<StorePlace> = {}): StorePlace {
  const files = new MemoryFiles();
  const ports = {
    files,
    clock: new VirtualClock(1_900_000_000_000_000_000n),
    log: silentLog,
    random: new SeededRandom(1),
  };
  return {
    open: (limits) => wrap(openFileStore({ ...options, directory: "/data", limits }, ports)),
    persistent: true,
    keepsClients: true,
    fillsGaps: true,
    overhead: 40,
    ...more,
  };
}

function sealed(cipher: string): Wrap {
  return (store) => encrypted(store, { key: new TextEncoder().encode("a key"), cipher, random: new SeededRandom(2) });
}

function plain(store: Store): Store {
  return store;
}

storeConformance("MEMORY", () => memory(plain));
storeConformance("MEMORY, encrypted", () => memory(sealed("AES"), { overhead: 29 }));
storeConformance("FILE", () => file(plain));
storeConformance("FILE, small slices", () => file(plain, { sliceMaxMessages: 3 }));
storeConformance("FILE without buffers", () => file(plain, { bufferSize: 0, readBufferSize: 0, sync: false }));
storeConformance("FILE with one descriptor", () => file(plain, { fileDescriptorsLimit: 1, sliceMaxBytes: 2000 }));
storeConformance("FILE, AES", () => file(sealed("AES"), {}, { overhead: 69 }));
storeConformance("FILE, CHACHA", () => file(sealed("chacha"), {}, { overhead: 69 }));
storeConformance("RAFT_FILE", () => file(messagesOnly, {}, { keepsClients: false }));
