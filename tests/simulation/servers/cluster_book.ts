/**
 * What a world of servers knows of its cluster from outside: every entry that any disk got, what is committed, who voted
 * for whom, which publishes stand in which entries.
 */
import { ENTRY_OVERHEAD_BYTES, type Membership } from "../../../src/raft/core/mod.ts";
import { entryFrom } from "../../../src/raft/wire/mod.ts";
import { decodeOperations } from "../../../src/protocol/operation_codec.ts";
import { MARKS } from "../../../src/protocol/operations.ts";
import type { Host } from "./host.ts";
import type { WatchedEntry } from "./log_watch.ts";
import { PositionWatch } from "./position_watch.ts";

/** The kinds of entries as the log's format numbers them. */
export const OPERATIONS = 0;
export const FACTS = 1;
export const MEMBERSHIP = 3;
export const IDENTITY = 4;

export interface Place {
  readonly index: number;
  readonly term: number;
}

export interface KnownEntry extends WatchedEntry {
  readonly previousTerm: number | undefined;
  /** Of an entry that is one. */
  readonly membership: Membership | undefined;
  /** Of reports of deliveries. */
  readonly facts: Uint8Array | undefined;
}

interface CommittedEntry extends Place {
  readonly checksum: number;
}

/** Terms stay far below this. */
const TERMS = 4096;

function keyOf(index: number, term: number): number {
  return index * TERMS + term;
}

const latin1 = new TextDecoder("latin1");

export class ClusterBook {
  readonly #entries = new Map<number, KnownEntry>();
  /** Those that change the membership, in the order in which they were seen. */
  readonly #memberships: KnownEntry[] = [];
  /** By guid: where its message stands in logs. */
  readonly #publishes = new Map<string, Place[]>();
  /** By index: what some node said to be committed. */
  readonly committed: (CommittedEntry | undefined)[] = [];
  readonly positions = new PositionWatch();
  /** Where committed entries began that were lost, by loss. */
  readonly cuts: number[] = [];
  /** By index: what the largest entry there counts for; and the largest of all. */
  readonly sizes: number[] = [];
  largest = 0;
  readonly #votes = new Map<string, string>();
  /** Nodes in incarnations and epochs whose disks were taken away, or went back in time. */
  readonly lost = new Set<string>();
  founders: readonly string[] = [];

  entry(index: number, term: number): KnownEntry | undefined {
    return this.#entries.get(keyOf(index, term));
  }

  /** Notes an entry when it is seen for the first time. */
  note(entry: WatchedEntry, previousTerm: number | undefined, payload: Uint8Array): void {
    const { index, term, kind } = entry;
    const size = payload.length + ENTRY_OVERHEAD_BYTES;
    this.sizes[index] = Math.max(size, this.sizes[index] ?? 0);
    this.largest = Math.max(this.largest, size);
    const found = kind === MEMBERSHIP ? entryFrom(kind, index, term, payload) : undefined;
    const membership = found?.kind === "membership" ? found.membership : undefined;
    const facts = kind === FACTS ? payload.slice() : undefined;
    const known = { ...entry, previousTerm, membership, facts };
    this.#entries.set(keyOf(index, term), known);
    if (membership !== undefined) this.#memberships.push(known);
    if (kind === OPERATIONS) this.#notePublishes(payload, { index, term });
  }

  placesOf(guid: string): readonly Place[] {
    return this.#publishes.get(guid) ?? [];
  }

  get lastCommitted(): number {
    return this.committed.length - 1;
  }

  commit(index: number, entry: WatchedEntry): void {
    if (this.committed[index] !== undefined) return;
    this.committed[index] = { index, term: entry.term, checksum: entry.checksum };
    const facts = this.entry(index, entry.term)?.facts;
    if (facts !== undefined) this.positions.committed(facts);
  }

  /** Committed entries from `index` on are lost with all machines' power. */
  forget(index: number): void {
    this.committed.length = Math.min(this.committed.length, index);
    this.cuts.push(index);
    this.positions.stop();
  }

  isCommitted({ index, term }: Place): boolean {
    return this.committed[index]?.term === term;
  }

  /** The membership in the log of `host` before `index`, as far as its log, or what was noted of others', tells. */
  membershipBefore(host: Host, index: number): { readonly index: number; readonly membership: Membership } {
    let found: KnownEntry | undefined;
    for (const each of this.#memberships) {
      if (each.index >= index || each.index < (found?.index ?? 0)) continue;
      const held = each.index > host.log.baseIndex
        ? host.log.termAt(each.index)
        : this.committed[each.index]?.term ?? each.term;
      if (held === each.term) found = each;
    }
    if (found !== undefined) return { index: found.index, membership: found.membership! };
    const members = this.founders.map((id) => ({ id, incarnation: "", voter: true }));
    return { index: 0, membership: { members } };
  }

  /** Notes whom a node votes for in `term`; answers whom it voted for first. */
  vote(term: number, voter: string, incarnation: string, epoch: number, candidate: string): string {
    const key = `${term}/${voter}/${incarnation}/${epoch}`;
    const earlier = this.#votes.get(key) ?? candidate;
    this.#votes.set(key, earlier);
    return earlier;
  }

  votesFor(term: number, candidate: string): { readonly id: string; readonly incarnation: string }[] {
    const votes: { id: string; incarnation: string }[] = [];
    for (const [key, voted] of this.#votes) {
      const [inTerm, id, incarnation] = key.split("/");
      if (voted === candidate && inTerm === String(term)) votes.push({ id: id!, incarnation: incarnation! });
    }
    return votes;
  }

  #notePublishes(payload: Uint8Array, place: Place): void {
    for (const operation of decodeOperations(payload.slice())) {
      if (operation.kind !== "publish") continue;
      const { count, bytes, bounds } = operation.messages;
      for (let i = 0; i < count * MARKS; i += MARKS) {
        const guid = latin1.decode(bytes.subarray(bounds[i + 1]!, bounds[i + 2]!));
        const places = this.#publishes.get(guid);
        if (places === undefined) this.#publishes.set(guid, [place]);
        else places.push(place);
      }
    }
  }
}
