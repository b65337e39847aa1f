/**
 * What a disk remembers, apart from what the system shows. Every change stands in two places: at once in what programs
 * see, and only after a sync in what survives a power loss. In between it is *unsynced*, and a crash may lose it.
 */

/** One change that a crash may lose. */
export type Unsynced =
  | { readonly kind: "write"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "truncate"; readonly size: number }
  | { readonly kind: "entries"; readonly edits: readonly EntryEdit[] };

export interface EntryEdit {
  readonly directory: DiskDirectory;
  readonly name: string;
  /** `undefined` takes the entry away. */
  readonly node: DiskNode | undefined;
}

export type DiskNode = DiskFile | DiskDirectory;

/**
 * Says how much of an unsynced change survives: for a write how many of its first bytes, for anything else 0 or more
 * than 0. Called file by file in the order of the changes.
 */
export type Survival = (change: Unsynced) => number;

/** Bytes that grow as needed. */
class Contents {
  #bytes: Uint8Array;
  #size: number;

  constructor(bytes = new Uint8Array(0)) {
    this.#bytes = bytes;
    this.#size = bytes.length;
  }

  get size(): number {
    return this.#size;
  }

  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }

  write(bytes: Uint8Array, at: number): void {
    if (bytes.length === 0) return;
    this.resize(Math.max(this.#size, at + bytes.length));
    this.#bytes.set(bytes, at);
  }

  resize(size: number): void {
    if (size > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(size, 4 * this.#bytes.length, 1024));
      larger.set(this.view());
      this.#bytes = larger;
    } else if (size > this.#size) {
      this.#bytes.fill(0, this.#size, size);
    }
    this.#size = size;
  }
}

export class DiskFile {
  readonly #seen: Contents;
  readonly #durable: Contents;
  #unsynced: Unsynced[] = [];
  /** Changes of a failed sync: the system forgot to write them, and no later sync will. */
  #doomed: Unsynced[] = [];

  constructor(bytes = new Uint8Array(0)) {
    this.#seen = new Contents(bytes);
    this.#durable = new Contents(bytes.slice());
  }

  get size(): number {
    return this.#seen.size;
  }

  get unsynced(): readonly Unsynced[] {
    return [...this.#doomed, ...this.#unsynced];
  }

  read(into: Uint8Array, at: number): number {
    const available = this.#seen.view().subarray(at, at + into.length);
    into.set(available);
    return available.length;
  }

  write(bytes: Uint8Array, at: number): void {
    this.#seen.write(bytes, at);
    this.#unsynced.push({ kind: "write", at, bytes: bytes.slice() });
  }

  truncate(size: number): void {
    this.#seen.resize(size);
    this.#unsynced.push({ kind: "truncate", size });
  }

  /** Begins a sync of what is unsynced now; the result ends it. */
  beginSync(): (succeeded: boolean) => void {
    const covered = this.#unsynced.length;
    return (succeeded) => {
      const changes = this.#unsynced.splice(0, covered);
      if (succeeded) { for (const change of changes) apply(change, this.#durable, Infinity); }
      else this.#doomed.push(...changes);
    };
  }

  /** What is safe from a power loss. */
  durableBytes(): Uint8Array {
    return this.#durable.view();
  }

  /** Turns the lowest bit of one byte, on the disk and in what programs see. */
  rot(at: number): void {
    for (const contents of [this.#seen, this.#durable]) {
      const view = contents.view();
      if (at < view.length) view[at]! ^= 1;
    }
  }

  /** The file after a power loss. */
  afterCrash(survives: Survival): DiskFile {
    const left = new Contents(this.#durable.view().slice());
    for (const change of this.unsynced) apply(change, left, survives(change));
    return new DiskFile(left.view().slice());
  }

  /** The file after its process was killed: the system still has everything, and tries again what it could not write. */
  afterKill(copies: Copies): DiskFile {
    const known = copies.nodes.get(this);
    if (known !== undefined) return known as DiskFile;
    const same = new DiskFile(this.#durable.view().slice());
    copies.nodes.set(this, same);
    same.#seen.resize(this.#seen.size);
    same.#seen.write(this.#seen.view(), 0);
    same.#unsynced = this.#doomed.length === 0 ? [...this.#unsynced] : [
      { kind: "truncate", size: this.#seen.size },
      { kind: "write", at: 0, bytes: this.#seen.view().slice() },
    ];
    return same;
  }
}

function apply(change: Unsynced, to: Contents, survivors: number): void {
  if (survivors <= 0) return;
  if (change.kind === "write") to.write(change.bytes.subarray(0, survivors), change.at);
  else if (change.kind === "truncate") to.resize(change.size);
}

interface Change {
  readonly edits: readonly EntryEdit[];
  done: boolean;
}

/** What was copied already of a disk that is copied whole. */
class Copies {
  readonly nodes = new Map<DiskNode, DiskNode>();
  readonly #changes = new Map<Change, Change>();

  of<T extends DiskNode>(node: T): T {
    return node.afterKill(this) as T;
  }

  change(change: Change): Change {
    const known = this.#changes.get(change);
    if (known !== undefined) return known;
    const edits: EntryEdit[] = [];
    const copy = { edits, done: change.done };
    // Before its nodes are: they may have this change among theirs.
    this.#changes.set(change, copy);
    for (const { directory, name, node } of change.edits) {
      edits.push({ directory: this.of(directory), name, node: node && this.of(node) });
    }
    return copy;
  }
}

/** The entries of one directory. What one call changes (a rename: two entries) survives together or not at all. */
export class DiskDirectory {
  readonly entries = new Map<string, DiskNode>();
  readonly #durable = new Map<string, DiskNode>();
  #unsynced: Change[] = [];

  /** Makes the edits, to whichever directories, as one change. */
  static edit(edits: readonly EntryEdit[]): void {
    const change = { edits, done: false };
    for (const { directory, name, node } of edits) {
      setEntry(directory.entries, name, node);
      if (!directory.#unsynced.includes(change)) directory.#unsynced.push(change);
    }
  }

  sync(): void {
    for (const change of this.#unsynced.splice(0)) {
      if (change.done) continue;
      change.done = true;
      for (const { directory, name, node } of change.edits) setEntry(directory.#durable, name, node);
    }
  }

  /** The directory after a power loss. Of its unsynced changes the first few survive: file systems keep their order. */
  afterCrash(survives: Survival): DiskDirectory {
    const left = new Map(this.#durable);
    for (const change of this.#unsynced) {
      if (change.done) continue;
      if (survives({ kind: "entries", edits: change.edits }) <= 0) break;
      for (const { directory, name, node } of change.edits) if (directory === this) setEntry(left, name, node);
    }
    return copyOf(left, (node) => node.afterCrash(survives));
  }

  /** As {@link DiskFile.afterKill}. */
  afterKill(copies = new Copies()): DiskDirectory {
    const known = copies.nodes.get(this);
    if (known !== undefined) return known as DiskDirectory;
    const same = new DiskDirectory();
    copies.nodes.set(this, same);
    for (const [name, node] of this.entries) same.entries.set(name, copies.of(node));
    for (const [name, node] of this.#durable) same.#durable.set(name, copies.of(node));
    same.#unsynced = this.#unsynced.filter(({ done }) => !done).map((change) => copies.change(change));
    return same;
  }
}

function setEntry(entries: Map<string, DiskNode>, name: string, node: DiskNode | undefined): void {
  if (node === undefined) entries.delete(name);
  else entries.set(name, node);
}

function copyOf(entries: ReadonlyMap<string, DiskNode>, copy: (node: DiskNode) => DiskNode): DiskDirectory {
  const directory = new DiskDirectory();
  for (const [name, node] of entries) DiskDirectory.edit([{ directory, name, node: copy(node) }]);
  directory.sync();
  return directory;
}
