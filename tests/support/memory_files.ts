/**
 * The Files port in memory, with the faults of real disks: a power loss that keeps any part of what was not synced, a
 * disk that is full, calls that fail.
 */
import {
  type DirectoryEntry,
  FileFailed,
  type FileFailure,
  type FileLock,
  type Files,
  type OpenFile,
  type OpenOptions,
} from "../../src/ports/files.ts";
import { DiskDirectory, DiskFile, type DiskNode, type Survival } from "./memory_disk.ts";
import type { SeededRandom } from "./seeded_random.ts";

/** What a program asks the disk to do. */
export interface FileCall {
  readonly kind: "open" | "read" | "write" | "truncate" | "sync" | "rename" | "remove" | "directory" | "lock";
  readonly path: string;
  /** Bytes to write; 0 for other calls. */
  readonly length: number;
}

/** How a call fails; a failing write may have written its first bytes. */
export interface InjectedFailure {
  readonly code: FileFailure;
  readonly written?: number;
}

/** Who is told what a program does to its files, as it happens. */
export interface FileWatcher {
  wrote(path: string, bytes: Uint8Array, at: number): void;
  /** A sync begins; what it answers is called when the sync has succeeded. */
  syncing(path: string): () => void;
}

export class MemoryFiles implements Files {
  watcher: FileWatcher | undefined;
  /** Whether reading `path` fails. */
  failsRead: ((path: string) => boolean) | undefined;
  /** Called before each call that changes or syncs something, reads excepted; what it answers makes the call fail. */
  onCall: ((call: FileCall) => InjectedFailure | undefined) | undefined;
  /** Bytes that all files together may have; a write beyond fails with `full` after filling what there is. */
  capacity = Infinity;
  /** Syncs succeed, and what they cover gets lost all the same when power fails; until {@link settle}. */
  lies = false;
  /** Called by an asynchronous sync, which ends when `done` is called; by default at once. */
  onSync: (done: () => void) => void = (done) => done();
  readonly #root: DiskDirectory;
  readonly #locked = new Set<string>();
  #used = 0;
  #off = false;

  constructor(root = new DiskDirectory()) {
    this.#root = root;
    this.#used = bytesIn(root);
  }

  /** Bytes that all files together have. */
  get used(): number {
    return this.#used;
  }

  /** What a power loss at this moment leaves; this one goes on undisturbed. */
  afterCrash(survives: Survival): MemoryFiles {
    const decided = new Map<unknown, number>();
    // A rename from one directory to another is asked about in both, and must get one answer.
    const once: Survival = (change) => {
      if (change.kind !== "entries") return survives(change);
      const answer = decided.get(change.edits) ?? survives(change);
      decided.set(change.edits, answer);
      return answer;
    };
    return new MemoryFiles(this.#root.afterCrash(once));
  }

  /** What is there after the process was killed at this moment: everything, and no lock. */
  afterKill(): MemoryFiles {
    const left = new MemoryFiles(this.#root.afterKill());
    // Lies come out when power fails, and in the life of this process only.
    if (this.lies) left.settle();
    return left;
  }

  /** Everything is on the disk from now on, and the disk lies no more. */
  settle(): void {
    this.lies = false;
    settle(this.#root);
  }

  /** Every call fails from now on: what belongs to a process that is gone must not do anything any more. */
  switchOff(): void {
    this.#off = true;
  }

  /** What a power loss at this moment would leave of a file without any of its unsynced changes; empty when there is none. */
  durableBytes(path: string): Uint8Array {
    const node = this.#find(path);
    return node instanceof DiskFile ? node.durableBytes() : new Uint8Array(0);
  }

  /** Turns one bit of a file, unseen. */
  rot(path: string, at: number): void {
    const node = this.#find(path);
    if (!(node instanceof DiskFile) || at >= node.size) throw missing("rot", path);
    node.rot(at);
  }

  /** All files below `directory`, with their sizes. */
  tree(directory: string): { readonly path: string; readonly size: number }[] {
    const node = this.#find(directory);
    if (node instanceof DiskFile) return [{ path: directory, size: node.size }];
    const names = node === undefined ? [] : [...node.entries.keys()].sort(byBytes);
    return names.flatMap((name) => this.tree(`${directory}/${name}`));
  }

  open(path: string, options: OpenOptions): OpenFile {
    this.check({ kind: "open", path, length: 0 });
    const [directory, name] = this.#parent(path);
    let node = directory.entries.get(name);
    if (node instanceof DiskDirectory) throw new FileFailed("other", path, `cannot open ${path}: is a directory`);
    if (node === undefined) {
      if (options.mode === "read" || options.mode === "existing") throw missing("open", path);
      node = new DiskFile();
      DiskDirectory.edit([{ directory, name, node }]);
    } else if (options.mode === "new") {
      throw new FileFailed("exists", path, `cannot open ${path}: it exists`);
    } else if (options.mode === "empty") {
      this.grow(-node.size);
      node.truncate(0);
    }
    return new MemoryFile(this, node, path, options.mode !== "read");
  }

  list(path: string): DirectoryEntry[] {
    const directory = this.#find(path);
    if (!(directory instanceof DiskDirectory)) throw missing("list", path);
    return [...directory.entries]
      .map(([name, node]) => ({ name, isFile: node instanceof DiskFile, isDirectory: node instanceof DiskDirectory }))
      .sort((a, b) => byBytes(a.name, b.name));
  }

  exists(path: string): boolean {
    return this.#find(path) !== undefined;
  }

  makeDirectory(path: string): void {
    this.check({ kind: "directory", path, length: 0 });
    let directory = this.#root;
    for (const name of parts(path)) {
      let next = directory.entries.get(name);
      if (next instanceof DiskFile) {
        throw new FileFailed("exists", path, `cannot make directory ${path}: ${name} is a file`);
      }
      if (next === undefined) {
        next = new DiskDirectory();
        DiskDirectory.edit([{ directory, name, node: next }]);
      }
      directory = next;
    }
  }

  remove(path: string): void {
    this.check({ kind: "remove", path, length: 0 });
    const node = this.#find(path);
    if (node === undefined) return;
    if (node instanceof DiskDirectory) throw new FileFailed("other", path, `cannot remove ${path}: is a directory`);
    this.#unlink(path, node);
  }

  removeTree(path: string): void {
    this.check({ kind: "remove", path, length: 0 });
    const node = this.#find(path);
    if (node !== undefined) this.#unlink(path, node);
  }

  rename(from: string, to: string): void {
    this.check({ kind: "rename", path: from, length: 0 });
    const node = this.#find(from);
    if (node === undefined) throw missing("rename", from);
    const [source, oldName] = this.#parent(from);
    const [target, newName] = this.#parent(to);
    const replaced = target.entries.get(newName);
    if (replaced === node) return;
    if (replaced instanceof DiskDirectory) {
      throw new FileFailed("other", from, `cannot rename ${from}: ${to} is a directory`);
    }
    if (replaced !== undefined) this.grow(-replaced.size);
    DiskDirectory.edit([
      { directory: source, name: oldName, node: undefined },
      { directory: target, name: newName, node },
    ]);
  }

  syncDirectory(path: string): void {
    this.check({ kind: "sync", path, length: 0 });
    const directory = this.#find(path);
    if (!(directory instanceof DiskDirectory)) throw missing("sync directory", path);
    if (!this.lies) directory.sync();
  }

  lock(path: string): FileLock | undefined {
    this.check({ kind: "lock", path, length: 0 });
    const key = parts(path).join("/");
    if (this.#locked.has(key)) return undefined;
    this.open(path, { mode: "create" }).close();
    this.#locked.add(key);
    let held = true;
    return {
      release: () => {
        if (held) this.#locked.delete(key);
        held = false;
      },
    };
  }

  /** For {@link MemoryFile}: throws when the call is to fail. Answers how much of a write goes through before it fails. */
  check(call: FileCall): { readonly failure: InjectedFailure; readonly written: number } | undefined {
    this.#mustBeThere(call);
    const failure = this.onCall?.(call);
    this.#mustBeThere(call);
    if (failure === undefined) return undefined;
    if (failure.written === undefined || failure.written === 0) throw injected(call, failure.code);
    return { failure, written: Math.min(failure.written, call.length) };
  }

  #mustBeThere({ kind, path }: FileCall): void {
    if (this.#off) throw new FileFailed("other", path, `cannot ${kind} ${path}: its process is gone`);
  }

  /** For {@link MemoryFile}: takes room, and answers how much of it there was. */
  grow(by: number): number {
    const granted = Math.min(by, Math.max(0, this.capacity - this.#used));
    this.#used += granted;
    return granted;
  }

  #unlink(path: string, node: DiskNode): void {
    const [directory, name] = this.#parent(path);
    DiskDirectory.edit([{ directory, name, node: undefined }]);
    this.grow(-bytesIn(node));
  }

  #find(path: string): DiskNode | undefined {
    const names = parts(path);
    return this.#below(names, names.length);
  }

  /** What the first `depth` of these names lead to. */
  #below(names: readonly string[], depth: number): DiskNode | undefined {
    let node: DiskNode | undefined = this.#root;
    for (let i = 0; i < depth; i++) {
      if (!(node instanceof DiskDirectory)) return undefined;
      node = node.entries.get(names[i]!);
    }
    return node;
  }

  #parent(path: string): [directory: DiskDirectory, name: string] {
    const names = parts(path);
    const name = names[names.length - 1];
    const directory = this.#below(names, names.length - 1);
    if (name === undefined || !(directory instanceof DiskDirectory)) throw missing("find", path);
    return [directory, name];
  }
}

class MemoryFile implements OpenFile {
  #closed = false;

  readonly #files: MemoryFiles;
  readonly #file: DiskFile;
  readonly #writable: boolean;

  constructor(files: MemoryFiles, file: DiskFile, readonly path: string, writable: boolean) {
    this.#files = files;
    this.#file = file;
    this.#writable = writable;
  }

  size(): number {
    this.#mustBeOpen();
    return this.#file.size;
  }

  readAt(into: Uint8Array, at: number): number {
    this.#mustBeOpen();
    if (this.#files.failsRead?.(this.path)) {
      throw new FileFailed("other", this.path, `cannot read ${this.path}: injected failure`);
    }
    return this.#file.read(into, at);
  }

  writeAt(bytes: Uint8Array, at: number): void {
    this.#mustBeWritable();
    const call: FileCall = { kind: "write", path: this.path, length: bytes.length };
    const partial = this.#files.check(call);
    const wanted = partial?.written ?? bytes.length;
    const growth = Math.max(0, at + wanted - this.#file.size);
    const granted = this.#files.grow(growth);
    const written = wanted - (growth - granted);
    if (written > 0) this.#file.write(bytes.subarray(0, written), at);
    if (written === bytes.length && partial === undefined) this.#files.watcher?.wrote(this.path, bytes, at);
    if (partial !== undefined) throw injected(call, partial.failure.code);
    if (written < bytes.length) throw new FileFailed("full", this.path, `cannot write ${this.path}: no space left`);
  }

  truncate(size: number): void {
    this.#mustBeWritable();
    this.#files.check({ kind: "truncate", path: this.path, length: 0 });
    const growth = size - this.#file.size;
    if (this.#files.grow(growth) < growth) {
      throw new FileFailed("full", this.path, `cannot truncate ${this.path}: no space left`);
    }
    this.#file.truncate(size);
  }

  syncNow(): void {
    this.#beginSync()();
  }

  async sync(): Promise<void> {
    const end = this.#beginSync();
    await new Promise<void>((resolve) => this.#files.onSync(resolve));
    end();
  }

  close(): void {
    this.#closed = true;
  }

  #beginSync(): () => void {
    this.#mustBeOpen();
    const end = this.#file.beginSync();
    try {
      this.#files.check({ kind: "sync", path: this.path, length: 0 });
    } catch (failure) {
      return () => {
        end(false);
        throw failure;
      };
    }
    const synced = this.#files.watcher?.syncing(this.path);
    return () => {
      if (!this.#files.lies) end(true);
      synced?.();
    };
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new FileFailed("other", this.path, `${this.path} is closed`);
  }

  #mustBeWritable(): void {
    this.#mustBeOpen();
    if (!this.#writable) throw new FileFailed("other", this.path, `${this.path} is open for reading only`);
  }
}

/** A power loss that keeps each unsynced change with probability one half, and some of the writes in part. */
export function randomSurvival(random: SeededRandom): Survival {
  return (change) => {
    if (random.chance(0.5)) return 0;
    if (change.kind !== "write" || random.chance(0.5)) return Infinity;
    return random.below(change.bytes.length + 1);
  };
}

function injected(call: FileCall, code: FileFailure): FileFailed {
  return new FileFailed(code, call.path, `cannot ${call.kind} ${call.path}: injected failure`);
}

function missing(action: string, path: string): FileFailed {
  return new FileFailed("not-found", path, `cannot ${action} ${path}: no such file or directory`);
}

/** What {@link parts} said before: the same paths come again and again. */
const known = new Map<string, readonly string[]>();

function parts(path: string): readonly string[] {
  const before = known.get(path);
  if (before !== undefined) return before;
  if (known.size > 10_000) known.clear();
  const names = path.split("/").filter((part) => part !== "" && part !== ".");
  known.set(path, names);
  return names;
}

function settle(node: DiskNode): void {
  if (node instanceof DiskFile) return node.beginSync()(true);
  node.sync();
  for (const inner of node.entries.values()) settle(inner);
}

function bytesIn(node: DiskNode): number {
  if (node instanceof DiskFile) return node.size;
  let sum = 0;
  for (const inner of node.entries.values()) sum += bytesIn(inner);
  return sum;
}

function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
