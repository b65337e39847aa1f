/** The built-in plugins, one line each: the only place that sees every part. */
import { embeddedNats } from "./plugins/embedded_nats.ts";
import { externalNats } from "./plugins/external_nats.ts";
import { noNats } from "./plugins/no_nats.ts";
import { encryption, fileStore, memoryStore } from "./plugins/stores.ts";
import { raftJournal, soloJournal } from "./plugins/journals.ts";
import { Registry } from "./registry.ts";

export function builtIns(): Registry {
  return new Registry()
    .add("store", "MEMORY", memoryStore)
    .add("store", "FILE", fileStore)
    .add("encryption", "at rest", encryption)
    .add("bus", "embedded", embeddedNats)
    .add("bus", "external", externalNats)
    .add("bus", "none", noNats)
    .add("journal", "solo", soloJournal)
    .add("journal", "raft", raftJournal);
}
