/** Data directories that the reference wrote, and what it recovers from them. */
import { createHash } from "node:crypto";
import type { ConfiguredLimits, StoreLimits } from "../../src/store/mod.ts";
import { MemoryFiles } from "./memory_files.ts";

/** Where the fixtures lie when they are there. */
const root = new URL("../../../shared/fixtures/store/", import.meta.url);

/** One way of opening a fixture. */
export interface FixtureCase {
  readonly name: string;
  readonly outcome: "ok" | "error";
  readonly error?: string;
  readonly log?: readonly string[];
  readonly options?: {
    readonly crc?: boolean;
    readonly crc_poly?: number;
    readonly truncate_bad_eof?: boolean;
    readonly encryption_cipher?: string;
    readonly encryption_key?: string;
  };
  readonly limits: FixtureLimits & { readonly channels?: Readonly<Record<string, FixtureLimits>> };
  readonly state?: FixtureState | null;
  readonly state_same_as_case?: string;
  readonly files_changed_after_open_and_close?: Readonly<Record<string, FileImage | null>>;
}

interface FixtureLimits {
  readonly max_age?: string;
  readonly max_bytes?: number;
  readonly max_channels?: number;
  readonly max_msgs?: number;
  readonly max_subs?: number;
}

export interface FileImage {
  readonly size: number;
  readonly sha256: string;
}

interface SameAs {
  readonly same_as_fixture: string;
}

export interface FixtureMessage {
  readonly seq: number;
  readonly ts?: string;
  readonly len?: number;
  readonly data_b64?: string;
  readonly data_sha256?: string;
  readonly missing?: boolean;
  readonly lookup_error?: string;
}

export interface FixtureChannel {
  readonly first: number;
  readonly last: number;
  readonly count: number;
  readonly bytes: number;
  readonly messages: readonly FixtureMessage[];
  readonly subscriptions: readonly FixtureSubscription[];
}

export interface FixtureSubscription {
  readonly ID: number;
  readonly clientID: string;
  readonly qGroup: string;
  readonly inbox: string;
  readonly ackInbox: string;
  readonly maxInFlight: number;
  readonly ackWaitInSecs: number;
  readonly durableName: string;
  readonly lastSent: number;
  readonly isDurable: boolean;
  readonly isClosed: boolean;
  readonly pending: readonly number[];
}

export interface FixtureState {
  readonly channels: Readonly<Record<string, FixtureChannel | SameAs>> | SameAs;
  readonly clients: readonly Record<string, string | number>[] | SameAs;
  readonly server: Readonly<Record<string, string>> | SameAs;
}

export interface Fixture {
  readonly fixture: string;
  readonly cases: readonly FixtureCase[];
  readonly files: Readonly<Record<string, FileImage>>;
}

/** The names of all fixtures; none when they are not on this machine. */
export function fixtureNames(): string[] {
  try {
    return [...Deno.readDirSync(root)].filter((entry) => entry.isDirectory).map((entry) => entry.name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

export function readFixture(name: string): Fixture {
  return JSON.parse(Deno.readTextFileSync(new URL(`${name}/expected.json`, root)));
}

/** What a case recovers, references to other cases and fixtures followed. `undefined`: it does not recover anything. */
export function stateOf(fixture: Fixture, one: FixtureCase): FixtureState | null | undefined {
  if (one.state !== undefined) return one.state;
  const other = fixture.cases.find((each) => each.name === one.state_same_as_case);
  return other === undefined ? undefined : stateOf(fixture, other);
}

/** A part of a state, taken from the fixture that it is the same as. */
export function follow<T extends object>(part: T | SameAs, pick: (state: FixtureState) => T | SameAs): T {
  if (!("same_as_fixture" in part)) return part;
  const other = readFixture(part.same_as_fixture);
  return follow(pick(stateOf(other, other.cases[0]!)!), pick);
}

/** A copy of a fixture's directory, as `/data` on a disk in memory. */
export function copyOfFixture(name: string): MemoryFiles {
  const files = new MemoryFiles();
  files.makeDirectory("/data");
  copyInto(files, new URL(`${name}/data/`, root), "/data");
  return files;
}

function copyInto(files: MemoryFiles, from: URL, to: string): void {
  for (const entry of Deno.readDirSync(from)) {
    const path = `${to}/${entry.name}`;
    if (entry.isDirectory) {
      files.makeDirectory(path);
      copyInto(files, new URL(`${encodeURIComponent(entry.name)}/`, from), path);
    } else writeFile(files, path, Deno.readFileSync(new URL(encodeURIComponent(entry.name), from)));
  }
}

/** Copies a fixture's directory to a real one. */
export function copyFixtureTo(name: string, to: string): void {
  const files = copyOfFixture(name);
  for (const [path, bytes] of contents(files, "/data")) {
    const target = `${to}/${path}`;
    Deno.mkdirSync(target.slice(0, target.lastIndexOf("/")), { recursive: true });
    Deno.writeFileSync(target, bytes);
  }
}

export function writeFile(files: MemoryFiles, path: string, bytes: Uint8Array): void {
  const file = files.open(path, { mode: "empty" });
  file.writeAt(bytes, 0);
  file.syncNow();
  file.close();
}

export function readFile(files: MemoryFiles, path: string): Uint8Array {
  const file = files.open(path, { mode: "read" });
  const bytes = new Uint8Array(file.size());
  file.readAt(bytes, 0);
  file.close();
  return bytes;
}

/** Every file under a directory by its path within. */
export function contents(files: MemoryFiles, directory: string, prefix = ""): Map<string, Uint8Array> {
  const all = new Map<string, Uint8Array>();
  for (const { name, isDirectory } of files.list(directory)) {
    if (!isDirectory) all.set(prefix + name, readFile(files, `${directory}/${name}`));
    else for (const [path, bytes] of contents(files, `${directory}/${name}`, `${prefix}${name}/`)) all.set(path, bytes);
  }
  return all;
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The limits of a case in the store's form. */
export function limitsOf(one: FixtureCase): StoreLimits {
  const { limits } = one;
  const channels = new Map<string, ConfiguredLimits>();
  for (const [name, own] of Object.entries(limits.channels ?? {})) channels.set(name, { maxAge: seconds(own.max_age) });
  return {
    maxChannels: limits.max_channels ?? 0,
    global: {
      maxSubscriptions: limits.max_subs ?? 0,
      maxMessages: limits.max_msgs ?? 0,
      maxBytes: limits.max_bytes ?? 0,
      maxAge: seconds(limits.max_age),
      maxInactivity: 0n,
    },
    channels,
  };
}

function seconds(text: string | undefined): bigint {
  return BigInt(Number.parseInt(text ?? "0")) * 1_000_000_000n;
}
