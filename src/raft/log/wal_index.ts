/** Where each entry of the log stands: parallel arrays from the first index kept to the last. */

const GROW = 1024;

export class WalIndex {
  /** The log begins after this index and its term. */
  baseIndex = 0;
  baseTerm = 0;
  #count = 0;
  /** Entries cut off at the front that still take room in the arrays. */
  #skip = 0;
  #segments = new Uint32Array(GROW);
  #offsets = new Float64Array(GROW);
  #lengths = new Uint32Array(GROW);
  #terms = new Float64Array(GROW);
  #kinds = new Uint8Array(GROW);

  get lastIndex(): number {
    return this.baseIndex + this.#count;
  }

  get lastTerm(): number {
    return this.#count === 0 ? this.baseTerm : this.#terms[this.#skip + this.#count - 1]!;
  }

  has(index: number): boolean {
    return index > this.baseIndex && index <= this.lastIndex;
  }

  /** The term of an entry held, or of the base; `undefined` otherwise. */
  term(index: number): number | undefined {
    if (index === this.baseIndex) return this.baseTerm;
    return this.has(index) ? this.#terms[this.#slot(index)] : undefined;
  }

  segment(index: number): number {
    return this.#segments[this.#slot(index)]!;
  }

  /** Where the payload begins in its segment. */
  offset(index: number): number {
    return this.#offsets[this.#slot(index)]!;
  }

  length(index: number): number {
    return this.#lengths[this.#slot(index)]!;
  }

  kind(index: number): number {
    return this.#kinds[this.#slot(index)]!;
  }

  /** Adds the entry behind the last one; `segment`, `offset` and `length` say where its stored payload is. */
  add(term: number, kind: number, segment: number, offset: number, length: number): void {
    const slot = this.#skip + this.#count;
    if (slot === this.#segments.length) {
      this.#makeRoom();
      return this.add(term, kind, segment, offset, length);
    }
    this.#segments[slot] = segment;
    this.#offsets[slot] = offset;
    this.#lengths[slot] = length;
    this.#terms[slot] = term;
    this.#kinds[slot] = kind;
    this.#count++;
  }

  /** Forgets every entry above `index`. */
  truncateAfter(index: number): void {
    if (index < this.lastIndex) this.#count = Math.max(0, index - this.baseIndex);
  }

  /** Moves the base: entries up to `index` go. An earlier base says nothing: its segments are gone already. */
  rebase(index: number, term: number): void {
    if (index < this.baseIndex) return;
    const gone = Math.min(index - this.baseIndex, this.#count);
    this.#skip += gone;
    this.#count -= gone;
    this.baseIndex = index;
    this.baseTerm = term;
    if (this.#count === 0) this.#skip = 0;
  }

  /** Forgets all entries; the log begins after (`index`, `term`). */
  restart(index: number, term: number): void {
    this.#count = 0;
    this.#skip = 0;
    this.baseIndex = index;
    this.baseTerm = term;
  }

  /** For a scan that begins in the middle: the first entry found is `index`. */
  startAt(index: number): void {
    this.restart(index - 1, 0);
  }

  #slot(index: number): number {
    if (!this.has(index)) {
      throw new RangeError(`entry ${index} is not in the log (${this.baseIndex}, ${this.lastIndex}]`);
    }
    return this.#skip + index - this.baseIndex - 1;
  }

  #makeRoom(): void {
    const from = this.#skip;
    const to = this.#skip + this.#count;
    const size = this.#count > this.#segments.length / 2 ? this.#segments.length * 2 : this.#segments.length;
    this.#segments = moved(this.#segments, new Uint32Array(size), from, to);
    this.#offsets = moved(this.#offsets, new Float64Array(size), from, to);
    this.#lengths = moved(this.#lengths, new Uint32Array(size), from, to);
    this.#terms = moved(this.#terms, new Float64Array(size), from, to);
    this.#kinds = moved(this.#kinds, new Uint8Array(size), from, to);
    this.#skip = 0;
  }
}

function moved<T extends Uint32Array | Float64Array | Uint8Array>(old: T, fresh: T, from: number, to: number): T {
  fresh.set(old.subarray(from, to));
  return fresh;
}
