/**
 * Cores with one rule broken each, to prove that the simulation sees it. A mutant is made of the production source with
 * one place changed, so that no switch for tests has to stand in the product.
 */
import type { Raft, RaftOptions } from "../../src/raft/core/mod.ts";

export interface Mutant {
  /** The rule that is broken. */
  readonly rule: string;
  readonly changes: readonly Change[];
  /** Faults that bring the bug to light sooner. */
  readonly favourites?: readonly string[];
}

interface Change {
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

export const MUTANTS: readonly Mutant[] = [
  {
    rule: "P1: messages wait until the vote and the term are durable",
    changes: [{
      file: "outbox.ts",
      find: "this.#messages.push({ message, after: this.unsavedHardState });",
      replace: "this.#messages.push({ message, after: 0 });",
    }],
  },
  {
    rule: "L3: only entries of the own term are committed by counting",
    changes: [{ file: "leader.ts", find: " || log.termAt(index) !== state.term) return;", replace: ") return;" }],
  },
  {
    rule: "M3: a learner counts for nothing",
    changes: [{ file: "leader.ts", find: "if (member.voter) values.push(", replace: "values.push(" }],
  },
  {
    rule: "M2: a leader commits an entry of its own term before it changes the membership",
    changes: [{
      file: "membership_changes.ts",
      find: 'if (!this.#leader.termCommitted) return "term not committed";',
      replace: "",
    }],
  },
  {
    rule: "M1: one change at a time",
    changes: [{
      file: "membership_changes.ts",
      find: 'return this.pending ? "change pending" : undefined;',
      replace: "return undefined;",
    }],
  },
  {
    rule: "L4: an old append never shortens the log",
    changes: [{ file: "follower.ts", find: "if (held === entry.term) continue;", replace: "" }],
  },
  {
    rule: "L8: a heartbeat's commit stays within what the follower holds",
    changes: [{
      file: "leader.ts",
      find: "const commit = Math.min(state.log.commit, Math.max(peer.match, peer.lost));",
      replace: "const commit = state.log.commit;",
    }],
  },
  {
    rule: "E3: a vote needs a log that is complete enough",
    changes: [{
      file: "elections.ts",
      find: "return state.log.isUpToDate(lastIndex, lastTerm) && ",
      replace: "return ",
    }],
    favourites: ["isolateLeader", "healNetwork", "crash"],
  },
  {
    rule: "E3: one vote a term",
    changes: [{
      file: "elections.ts",
      find: 'if (state.vote !== "" && state.vote !== message.from) return "voted";',
      replace: "",
    }],
  },
  {
    rule: "C3: an acknowledged write counts only for what was not overwritten",
    changes: [{
      file: "log.ts",
      find: "for (const write of this.#writes) write.last = Math.min(write.last, index - 1);",
      replace: "",
    }],
  },
  {
    rule: "E7: a new leader waits for the lease of the old one",
    changes: [{ file: "raft.ts", find: "new Leader(state, quietUntil(grants))", replace: "new Leader(state, 0)" }],
    favourites: ["deposeByHint", "healNetwork"],
  },
  {
    rule: "Q1: a read is confirmed by a majority",
    changes: [{
      file: "lease.ts",
      find: "this.#pending[0]!.round <= round",
      replace: "this.#pending[0]!.round <= Infinity",
    }],
    favourites: ["deposeByHint", "healNetwork"],
  },
  {
    rule: "M7: a wiped node is not the voter that it was",
    changes: [{
      file: "elections.ts",
      find: 'return isMemberAsked(state, message) ? undefined : "blank";',
      replace: "return undefined;",
    }, {
      file: "raft.ts",
      find: 'if (message.expected !== "" && message.expected !== state.incarnation) return;',
      replace: "",
    }, {
      file: "candidate.ts",
      find: 'if (member.incarnation !== "" && member.incarnation !== message.incarnation) return;',
      replace: "",
    }],
    favourites: ["wipe", "crash", "isolateLeader", "healNetwork"],
  },
  {
    rule: "P12: a log that may lack acknowledged entries gives no vote",
    changes: [{
      file: "elections.ts",
      find: 'if (state.distrustLog) return "distrusted";',
      replace: "",
    }, {
      file: "node_state.ts",
      find: "if (!this.electable || this.distrustLog || this.left",
      replace: "if (!this.electable || this.left",
    }],
    favourites: ["loseEnd", "isolateLeader", "healNetwork"],
  },
  {
    rule: "TS96: what a heartbeat commits is equal at the leader",
    changes: [{
      file: "follower.ts",
      find: "if (held === commitTerm) state.commitThrough(commit);",
      replace: "state.commitThrough(Math.min(commit, log.lastIndex));",
    }],
    favourites: ["restoreBackup", "split", "healNetwork"],
  },
  {
    rule: "TS96: a disk that went back in time is noticed",
    changes: [{
      file: "follower.ts",
      find: "if ((commit > log.lastIndex || differs) && message.expected === state.incarnation) {",
      replace: "if (message.expected === '-') {",
    }, {
      file: "replication.ts",
      find: ": Math.min(refusal.lastIndex + 1, prevIndex) <= peer.match && peer.isAfterMatch(refusal.sequence);",
      replace: ": false;",
    }],
    favourites: ["restoreBackup", "split", "healNetwork"],
  },
  {
    rule: "M7: a vote is for whoever asked, not for another process of the same name",
    changes: [{
      file: "elections.ts",
      find: "forTerm: message.term + 1,\n    guardTicks: state.guardTicks,\n    guardLeader: state.guardLeader,\n" +
        "  }, message.incarnation);",
      replace: "forTerm: message.term + 1, guardTicks: state.guardTicks, guardLeader: state.guardLeader });",
    }, {
      file: "elections.ts",
      find: "forTerm: message.term,\n    guardTicks: state.guardTicks,\n    guardLeader: state.guardLeader,\n" +
        "  }, message.incarnation);",
      replace: "forTerm: message.term, guardTicks: state.guardTicks, guardLeader: state.guardLeader });",
    }],
    favourites: ["duplicate", "isolateLeader", "healNetwork", "pause"],
  },
  {
    rule: "L5: no more is under way to a follower than its window",
    changes: [{
      file: "progress.ts",
      find: "return this.#lastOf.length >= this.#limits.windowMessages || this.#bytes >= this.#limits.windowBytes;",
      replace: "return false;",
    }],
  },
  {
    rule: "L7: what is not agreed on stays within its limit",
    changes: [{
      file: "leader.ts",
      find: "if (this.#uncommittedBytes > 0 && this.#uncommittedBytes + bytes > limits.uncommittedBytes) {",
      replace: "if (this.#uncommittedBytes < 0) {",
    }],
    favourites: ["isolateLeader", "changeDisks", "healNetwork"],
  },
  {
    rule: "I18: no more is being applied than its limit",
    changes: [{ file: "applying.ts", find: "this.#bytes < limits.applyBytes && ", replace: "" }],
  },
  {
    rule: "I18: entries that nobody needs leave the memory",
    changes: [{ file: "raft.ts", find: "    log.shrinkCache(limits.cacheBytes);\n", replace: "" }],
  },
  {
    rule: "S5: what is cut away is covered by a snapshot",
    changes: [{
      file: "raft.ts",
      find: "Math.min(log.snapshot.index, log.lastIndex - limits.trailingEntries, log.applied, log.durable)",
      replace: "Math.min(log.lastIndex - limits.trailingEntries, log.applied, log.durable)",
    }],
  },
];

const SOURCES = new URL("../../src/raft/core/", import.meta.url);

/** Makes cores with the rule broken; `remove` takes the mutated source away again. */
export interface MutatedCores {
  readonly makeCore: (options: RaftOptions) => Raft;
  remove(): Promise<void>;
}

export async function mutate(mutant: Mutant): Promise<MutatedCores> {
  const folder = await Deno.makeTempDir({ prefix: "raft_mutant_" });
  for await (const { name } of Deno.readDir(SOURCES)) {
    if (!name.endsWith(".ts") || name.endsWith("_test.ts")) continue;
    let text = await Deno.readTextFile(new URL(name, SOURCES));
    for (const { file, find, replace } of mutant.changes) {
      if (file !== name) continue;
      if (text.split(find).length !== 2) throw new Error(`${file} does not have this once: ${find}`);
      text = text.replace(find, replace);
    }
    await Deno.writeTextFile(`${folder}/${name}`, text);
  }
  const core = await import(`file://${folder}/mod.ts`) as { readonly Raft: typeof Raft };
  return {
    makeCore: (options) => new core.Raft(options),
    remove: () => Deno.remove(folder, { recursive: true }),
  };
}
