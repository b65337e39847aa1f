/** How a leader brings its entries to one member (L1, L5, L8, L9). */
import type { Append, AppendRefusal, SnapshotMark } from "./messages.ts";
import type { NodeState } from "./node_state.ts";
import type { Progress } from "./progress.ts";

/** Sends what may be sent now: nothing when the member is paused or has everything. */
export function replicate(state: NodeState, peer: Progress): void {
  while (!peer.paused) {
    const more = peer.next <= state.log.lastIndex;
    if (!more && peer.state !== "probe") return;
    if (!sendOne(state, peer)) return;
  }
}

/** Sends one append, which may be empty, regardless of windows: to find out what was lost, or to tell the commit. */
export function sendEmpty(state: NodeState, peer: Progress): void {
  const prevTerm = state.log.termAt(peer.next - 1);
  if (prevTerm !== undefined) return sendAppend(state, peer, prevTerm, []);
  // The log was cut beyond what is under way: from what the member is known to have, a snapshot is next.
  peer.probe(peer.match + 1);
}

/** Sends the next append, or asks for what is missing for it. Says whether it was sent. */
function sendOne(state: NodeState, peer: Progress): boolean {
  const { log, limits } = state;
  const prevTerm = log.termAt(peer.next - 1);
  if (prevTerm === undefined) {
    announce(state, peer);
    return false;
  }
  if (peer.next > log.lastIndex) {
    sendAppend(state, peer, prevTerm, []);
    return true;
  }
  const entries = log.cache.slice(peer.next, log.lastIndex, limits.appendBytes);
  if (entries === undefined && peer.state === "probe") {
    // Not worth a look at the disk before it is known where the two logs agree.
    sendAppend(state, peer, prevTerm, []);
    return true;
  }
  if (entries === undefined) {
    peer.fetching = true;
    const to = log.cache.first - 1;
    state.outbox.fetch({ purpose: peer.id, from: peer.next, to, maxBytes: limits.appendBytes });
    return false;
  }
  sendAppend(state, peer, prevTerm, entries);
  return true;
}

function sendAppend(state: NodeState, peer: Progress, prevTerm: number, entries: Append["entries"]): void {
  const { commit } = state.log;
  const sequence = peer.sequence = ++state.lastSequence;
  state.tell(peer.id, {
    kind: "append",
    sequence,
    prevIndex: peer.next - 1,
    prevTerm,
    commit,
    answer: peer.ask,
    entries,
  });
  peer.sent(entries, commit);
}

/**
 * Announces a snapshot, because the log does not go back far enough: the same as before, which the member may be
 * fetching, unless that failed; else the newest (S6).
 */
export function announce(state: NodeState, peer: Progress): void {
  const again = peer.installFailed ? undefined : peer.announced;
  const snapshot: SnapshotMark | undefined = again ?? state.log.snapshot;
  if (snapshot === undefined) return;
  peer.announce(snapshot, state.now);
  state.tell(peer.id, { kind: "snapshot announce", snapshot });
}

/** Entries came back from disk for `peer`. */
export function sendFetched(state: NodeState, peer: Progress, entries: Append["entries"]): void {
  const { log } = state;
  peer.fetching = false;
  const first = entries[0];
  const prevTerm = log.termAt(peer.next - 1);
  if (first === undefined && peer.state === "replicate") peer.probe(peer.next);
  // Unreadable: the next heartbeat's answer tries again.
  if (first === undefined) peer.probing = true;
  if (peer.paused || first === undefined || prevTerm === undefined || first.index !== peer.next) return;
  if (entries.some((entry) => log.termAt(entry.index) !== entry.term)) return;
  sendAppend(state, peer, prevTerm, entries);
}

/** The member refused an append: goes back to the last entry that both may have (L1). */
export function goBack(state: NodeState, peer: Progress, refusal: AppendRefusal): void {
  const { log, outbox } = state;
  const { conflictTerm, conflictIndex, prevIndex } = refusal;
  // Asked after it had acknowledged more: it ends before that, or holds something else there.
  const lost = refusal.ask !== 0
    ? refusal.lastIndex < peer.match
    : Math.min(refusal.lastIndex + 1, prevIndex) <= peer.match && peer.isAfterMatch(refusal.sequence);
  if (lost) {
    const { id, match } = peer;
    outbox.noticeOnce(`log lost ${id}`, { kind: "log lost", peer: id, last: refusal.lastIndex, acknowledged: match });
  }
  if (refusal.ask !== 0) return compare(peer, refusal);
  if (peer.state === "snapshot" || (peer.state === "probe" && prevIndex !== peer.next - 1)) return;
  if (lost) return peer.forgetUnnoticed(Math.min(conflictIndex - 1, prevIndex - 1, peer.match - 1));
  // An old refusal: what is known to be there was not refused.
  if (prevIndex <= peer.match) return;
  const shared = conflictTerm === 0 ? conflictIndex - 1 : log.lastWithTermAtMost(conflictTerm, prevIndex - 1);
  // An own entry of an older term than the conflicting one cannot match at or behind the conflict's first index.
  const matchable = conflictTerm !== 0 && log.termAt(shared) !== conflictTerm
    ? Math.min(shared, conflictIndex - 1)
    : shared;
  peer.probe(Math.min(matchable + 1, prevIndex));
}

/**
 * The member does not trust its log and asks to be compared: what it acknowledged before may be gone, and does not count
 * any more beyond the end that it names. From the next append on it is answered.
 */
function compare(peer: Progress, refusal: AppendRefusal): void {
  peer.ask = refusal.ask;
  peer.lost = 0;
  if (refusal.lastIndex < peer.match) peer.forget(refusal.lastIndex);
  else if (peer.state === "replicate") peer.probe(peer.match + 1);
}
