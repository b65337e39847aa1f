/**
 * Servers with one rule broken each, to prove that the simulation sees it. A mutant is made of the production source with
 * one place changed, so that no switch for tests has to stand in the product.
 */
import type { OpenFiles } from "../raft_disk_files.ts";
import type { FaultName } from "./server_faults.ts";
import type { ServerWorldOptions } from "./server_world.ts";
import type { ServerCode } from "./simulated_node.ts";

export interface ServerMutant {
  /** What the server does wrong. */
  readonly bug: string;
  readonly changes: readonly Change[];
  /** The invariants that may notice. */
  readonly caughtBy: RegExp;
  /** Faults that bring the bug to light sooner. */
  readonly favourites: readonly FaultName[];
  /** What its worlds are like. */
  readonly world?: Pick<ServerWorldOptions, "synced" | "mistaken">;
}

interface Change {
  /** Below `src/`. */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

export const SERVER_MUTANTS: readonly ServerMutant[] = [
  {
    bug: "skips the vote's fsync",
    changes: [{
      file: "raft/log/hard_state.ts",
      find: "    this.#file.writeAt(bytes, 0);\n    this.#file.syncNow();\n    this.#file.writeAt(bytes, SECOND);\n" +
        "    this.#file.syncNow();\n    this.#state = state;",
      replace: "    this.#file.writeAt(bytes, 0);\n    this.#file.writeAt(bytes, SECOND);\n    this.#state = state;",
    }],
    caughtBy: /^I8 |^I7 |^I5 /,
    favourites: ["losePower"],
  },
  {
    bug: "commits an entry of an old term by counting",
    changes: [{
      file: "raft/core/leader.ts",
      find: " || log.termAt(index) !== state.term) return;",
      replace: ") return;",
    }],
    caughtBy: /^I12 |^I3 |^I4 |^I15 /,
    favourites: ["isolateLeader", "healNetwork", "losePower", "slowDisk"],
  },
  {
    bug: "counts a learner",
    changes: [{ file: "raft/core/leader.ts", find: "if (member.voter) values.push(", replace: "values.push(" }],
    caughtBy: /^I12 |^I8 |^I3 |^I4 /,
    favourites: ["wipe", "removeNode", "slowDisk"],
  },
  {
    bug: "changes the membership before it has committed an entry of its own term",
    changes: [{
      file: "raft/core/membership_changes.ts",
      find: 'if (!this.#leader.termCommitted) return "term not committed";',
      replace: "",
    }],
    caughtBy: /^I11 /,
    favourites: ["removeNode", "wipe", "kill", "isolateLeader", "healNetwork", "slowDisk"],
  },
  {
    bug: "acknowledges entries before they are durable",
    changes: [{
      file: "raft/log/storing.ts",
      find: "if (!this.#mustSync) return this.#tell(this.#written);",
      replace: "this.#tell(this.#written);\n    if (!this.#mustSync) return;",
    }],
    caughtBy: /^I8 |^I12 /,
    favourites: ["losePower", "slowDisk"],
  },
  {
    bug: "applies what it has stored a second time after a restart",
    changes: [{
      file: "server/applying.ts",
      find: "first: end.last + 1, time });",
      replace: "time, first: Math.max(end.last, this.#recorder.channels.get(channel)?.messages.last ?? 0) + 1 });",
    }],
    caughtBy: /^I4 |^I9 |^I10 /,
    favourites: ["kill", "restartAll"],
  },
  {
    bug: "delivers outside its lease",
    changes: [{
      file: "server/outbound.ts",
      find: "return this.#speaking && this.#journal.mayServe;",
      replace: "return this.#speaking;",
    }],
    caughtBy: /^I13 /,
    favourites: ["isolateLeader", "healNetwork", "stall", "pause"],
  },
  {
    bug: "keeps the subscriptions of a client that it evicted",
    changes: [{ file: "streaming/clients.ts", find: "    end(context, subscription, false, now);\n", replace: "" }],
    caughtBy: /^I4 |^I17 |^I19 /,
    favourites: ["deafen"],
  },
  {
    bug: "serves on while it hands over, to one that does not wait for its lease",
    changes: [
      {
        file: "raft/core/leader.ts",
        find: "return this.transferring ? 0 : this.lease.until;",
        replace: "return this.lease.until;",
      },
      { file: "raft/core/leader.ts", find: 'if (result.kind === "started") this.lease.break();', replace: "" },
      {
        file: "raft/core/candidate.ts",
        find: "guardUntil: state.now + guardTicks, guardLeader });",
        replace: 'guardUntil: this.#kind === "transfer" ? 0 : state.now + guardTicks, guardLeader });',
      },
      {
        file: "raft/core/candidate.ts",
        find: "from: id, guardUntil, guardLeader });",
        replace: 'from: id, guardUntil: this.#kind === "transfer" ? 0 : guardUntil, guardLeader });',
      },
    ],
    caughtBy: /^I13 /,
    favourites: ["handOver"],
  },
  {
    bug: "sends a follower as many messages as it likes",
    changes: [{
      file: "raft/core/progress.ts",
      find: "this.#lastOf.length >= this.#limits.windowMessages || ",
      replace: "",
    }],
    caughtBy: /^I18 /,
    favourites: ["slowDisk", "badNetwork"],
  },
  {
    bug: "forms a cluster by the list of peers of an earlier start, though it was corrected",
    changes: [{
      file: "raft/cluster.ts",
      find: "const hasPast = ",
      replace: "const hasPast = member.founders.length > 0 || ",
    }],
    caughtBy: /^I16 /,
    favourites: ["kill"],
    world: { mistaken: true },
  },
  {
    bug: "tells others the list of peers of an earlier start while it looks around",
    changes: [{ file: "raft/cluster.ts", find: "    this.#directory.updateMember({ founders: [] });\n", replace: "" }],
    caughtBy: /^I16 /,
    favourites: ["kill"],
    world: { mistaken: true },
  },
  {
    bug: "does not notice that its disk has lost what it acknowledged",
    changes: [{
      file: "raft/core/follower.ts",
      find: "if ((commit > log.lastIndex || differs) &&",
      replace: "if (differs &&",
    }],
    caughtBy: /^I8 /,
    favourites: ["lieAboutSyncs"],
    world: { synced: true },
  },
  {
    bug: "gives a member what it has lost again without a word about the loss",
    changes: [{
      file: "raft/core/replication.ts",
      find: "if (lost) return peer.forgetUnnoticed(",
      replace: "if (lost) return peer.forget(",
    }],
    caughtBy: /^I8 /,
    favourites: ["restoreBackup", "lieAboutSyncs"],
    world: { synced: true },
  },
  {
    bug: "trusts its log though its machine lost power",
    changes: [{
      file: "raft/raft_directory.ts",
      find: 'options.machineBoot !== "" && machineBoot !== options.machineBoot;',
      replace: "false;",
    }],
    caughtBy: /^I3 |^I4 |^I9 |^I12 |^I15 /,
    favourites: ["losePower", "isolateLeader", "healNetwork"],
    world: { synced: false },
  },
  {
    bug: "lets a shorter log than the longest lead after power failed everywhere",
    changes: [{
      file: "raft/core/elections.ts",
      find: " && state.isLongEnough(lastIndex, lastTerm);",
      replace: ";",
    }, {
      file: "raft/core/node_state.ts",
      find: "if (!this.isLongEnough(this.log.lastIndex, this.log.lastTerm)) return false;",
      replace: "",
    }],
    caughtBy: /^I3 |^I4 |^I9 |^I12 |^I15 /,
    favourites: ["losePowerEverywhere", "cutOneLink", "healNetwork"],
    world: { synced: false },
  },
  {
    bug: "cuts its log though its messages are in folders that were not synced",
    changes: [{
      file: "store/file/file_store.ts",
      find: "    this.#guard(() => this.#context.openFiles.syncDirectories());\n",
      replace: "",
    }],
    caughtBy: /^I4 |^I9 |^I10 |^I19 /,
    favourites: ["losePowerEverywhere"],
    world: { synced: false },
  },
  {
    bug: "keeps every entry in memory",
    changes: [{
      file: "raft/core/log.ts",
      find: "while (this.cache.bytes > bytes && ",
      replace: "while (bytes < 0 && ",
    }],
    caughtBy: /^I18 .*cached/,
    favourites: ["kill"],
  },
  {
    bug: "deletes a channel that was used meanwhile",
    changes: [{
      file: "streaming/channel.ts",
      find: "if (until > now) return wakeIdle(context, channel, until);",
      replace: "",
    }],
    caughtBy: /^I9 /,
    favourites: ["kill"],
  },
  {
    bug: "deletes a channel that got a message after the deletion was proposed",
    changes: [{ file: "streaming/channel.ts", find: " || channel.last !== operation.last) {", replace: ") {" }],
    caughtBy: /^I9 /,
    favourites: ["slowDisk", "cutOneLink", "healNetwork"],
  },
  {
    bug: "does not look after idle channels when it begins to lead",
    changes: [{
      file: "streaming/leadership.ts",
      find: "    startIdling(context, channel, now);\n    if (channel.byAckInbox",
      replace: "    if (channel.byAckInbox",
    }],
    caughtBy: /^I19 /,
    favourites: ["kill", "isolateLeader", "healNetwork"],
  },
  {
    bug: "forgets where a durable stands when it takes a snapshot",
    changes: [{
      file: "streaming/snapshot.ts",
      find: "lastSent: subscription.group === undefined ? subscription.lastSent : 0,",
      replace: "lastSent: 0,",
    }],
    caughtBy: /^I17 |^I4 |^I19 .*states differ/,
    favourites: ["kill", "restartAll", "wipe"],
  },
];

const SOURCES = new URL("../../../src/", import.meta.url);
const COPIED = ["ports", "protocol", "raft", "server", "store", "streaming"];

/** Servers with the bug; `remove` takes the mutated source away again. */
export async function mutateServers(
  { changes }: Pick<ServerMutant, "changes">,
): Promise<{ readonly code: ServerCode; readonly openNodeFiles: OpenFiles; remove(): Promise<void> }> {
  const folder = await Deno.makeTempDir({ prefix: "server_mutant_" });
  const open = new Set(changes);
  for (const name of COPIED) await copy(name, folder, open);
  if (open.size > 0) throw new Error(`no such file: ${[...open].map(({ file }) => file)}`);
  // Disks of the simulation throw the production's error, and the copy must know it.
  await Deno.writeTextFile(
    `${folder}/ports/files.ts`,
    `export * from ${JSON.stringify(`${SOURCES}ports/files.ts`)};\n`,
  );
  const [raft, server, store] = await Promise.all(
    ["raft", "server", "store"].map((name) => import(`file://${folder}/${name}/mod.ts`)),
  );
  const { openNodeFiles } = await import(`file://${folder}/raft/node_files.ts`);
  return {
    openNodeFiles,
    code: {
      openRaftJournal: raft.openRaftJournal,
      StreamingServer: server.StreamingServer,
      messagesOnly: store.messagesOnly,
      openFileStore: store.openFileStore,
    },
    remove: () => Deno.remove(folder, { recursive: true }),
  };
}

async function copy(path: string, folder: string, open: Set<Change>): Promise<void> {
  await Deno.mkdir(`${folder}/${path}`);
  for await (const { name, isDirectory } of Deno.readDir(new URL(path, SOURCES))) {
    const file = `${path}/${name}`;
    if (isDirectory) await copy(file, folder, open);
    else if (name.endsWith(".ts") && !name.endsWith("_test.ts")) {
      await Deno.writeTextFile(
        `${folder}/${file}`,
        changed(file, await Deno.readTextFile(new URL(file, SOURCES)), open),
      );
    }
  }
}

function changed(file: string, text: string, open: Set<Change>): string {
  for (const change of open) {
    if (change.file !== file) continue;
    if (text.split(change.find).length !== 2) throw new Error(`${file} does not have this once: ${change.find}`);
    text = text.replace(change.find, change.replace);
    open.delete(change);
  }
  return text;
}
