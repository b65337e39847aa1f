/**
 * A store that lacks or cannot use some of what it should hold: repaired from the log or from other nodes, and refused only
 * where there are none (spec clustering, P8).
 */
import type { Replica } from "../ports/journal.ts";
import { StartFailed } from "../protocol/errors.ts";
import { foundersMembership } from "./core/mod.ts";
import { summarize } from "./log_summary.ts";
import type { RaftDirectory } from "./raft_directory.ts";

/**
 * Sets damage aside and chooses from which snapshot this node goes on. Throws StartFailed with the store's own text where
 * this node is the only member.
 */
export function repairStore(directory: RaftDirectory, replica: Replica): void {
  const { report } = directory;
  const alone = isAlone(directory);
  for (const { text, refusal, harmless, setAside } of replica.damages ?? []) {
    report.disagreed(text);
    if (!alone || harmless) report.done(setAside());
    else if (refusal === undefined) report.done("that is left as it is: no other node holds more");
    else throw new StartFailed(refusal.message, 1, { cause: refusal });
  }
  directory.chooseSnapshot((state) => replica.lacks?.(state) ?? [], alone);
}

/** Where nobody is left who could hold the same: throws StartFailed with the store's own text. */
export function refuseDamage({ damages = [] }: Replica): void {
  for (const { refusal, harmless, setAside } of damages) {
    if (harmless) setAside();
    else if (refusal !== undefined) throw new StartFailed(refusal.message, 1, { cause: refusal });
  }
}

/** Whether this node is its cluster's only member, as far as it knows; one that is about to join has others. */
function isAlone({ member, wal, snapshot }: RaftDirectory): boolean {
  const newest = summarize(wal, snapshot).memberships.at(-1) ?? snapshot?.mark.membership;
  const { members } = newest?.membership ?? foundersMembership(member.founders);
  return members.length > 0 && members.every(({ id }) => id === member.nodeId);
}
