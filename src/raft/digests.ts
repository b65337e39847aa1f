/** What this node's state hashed to lately, by the entry it had applied (spec clustering, section 4.5, D8). */

/** Every node knows its digest at the multiples of this index, however it cuts its work. */
export const ROUND = 256;
/** So many rounds are remembered: a follower may lag so far behind and still be compared. */
const ROUNDS_KEPT = 256;

/** What one node tells the others: digests as of a round index and as of its last applied entry. Zeros: unknown. */
export interface DigestMarks {
  readonly roundIndex: number;
  readonly roundDigest: number;
  readonly index: number;
  readonly digest: number;
  /** How they are counted; only digests of one scheme are compared. */
  readonly scheme: number;
}

export class Digests {
  /** By index, ascending. */
  readonly #rounds = new Map<number, number>();
  #index = 0;
  #digest = 0;
  #round = 0;
  readonly #scheme: number;

  constructor(scheme: number) {
    this.#scheme = scheme;
  }

  /** Everything up to `index` is applied, and the state hashes to `digest`; 0: not known. */
  note(index: number, digest: number): void {
    this.#index = index;
    this.#digest = digest;
    if (index % ROUND !== 0 || digest === 0) return;
    this.#round = index;
    this.#rounds.set(index, digest);
    if (this.#rounds.size > ROUNDS_KEPT) this.#rounds.delete(this.#rounds.keys().next().value!);
  }

  /** The state was replaced. */
  clear(): void {
    this.#rounds.clear();
    this.#index = this.#digest = this.#round = 0;
  }

  get marks(): DigestMarks {
    return {
      roundIndex: this.#round,
      roundDigest: this.#rounds.get(this.#round) ?? 0,
      index: this.#index,
      digest: this.#digest,
      scheme: this.#scheme,
    };
  }

  /** Whether another node's state is this one's: `unknown` where both have no digest in common. */
  compare(theirs: DigestMarks): { readonly result: "equal" | "different" | "unknown"; readonly index: number } {
    const pairs = [
      { index: theirs.index, ours: this.#at(theirs.index), digest: theirs.digest },
      { index: theirs.roundIndex, ours: this.#at(theirs.roundIndex), digest: theirs.roundDigest },
    ];
    for (const { index, ours, digest } of theirs.scheme === this.#scheme ? pairs : []) {
      if (ours !== 0 && digest !== 0) return { result: ours === digest ? "equal" : "different", index };
    }
    return { result: "unknown", index: 0 };
  }

  #at(index: number): number {
    if (index === 0) return 0;
    return index === this.#index ? this.#digest : this.#rounds.get(index) ?? 0;
  }
}
