/**
 * Who this node is in its cluster, kept beside the log as a small text that operators can read: written whole under
 * another name, synced, and renamed. It exists before anything else does, so that a join or a first start that was
 * interrupted goes on where it stopped.
 */
import { FileFailed, type Files } from "../../ports/files.ts";
import { crc32c } from "../wire/mod.ts";

export interface MemberRecord {
  readonly clusterId: string;
  readonly nodeId: string;
  /** Drawn when this directory was made: a node that lost it is not the member it was. */
  readonly incarnation: string;
  /** 32 hexadecimal digits; empty while the cluster has none that this node knows. */
  readonly identity: string;
  /** The first voters, this node among them; empty for a node that joins. */
  readonly founders: readonly string[];
  /** The membership entry that took this node out; 0: none did. */
  readonly removedAt: number;
  /** The machine's boot at the last start, when the log is not synced (spec clustering, P12); else empty. */
  readonly machineBoot: string;
  /** Whether the last stop was orderly. */
  readonly stopped: boolean;
  /** The log may lack what this node had acknowledged, and no leader has brought it in step since (P12). */
  readonly distrusted: boolean;
  /**
   * `due`: this node's state went its own way (spec clustering, D8), and the next start begins anew. `begun`: it has, and
   * what the store holds is to be emptied. Absent otherwise.
   */
  readonly renewal?: "due" | "begun" | undefined;
  /**
   * The store may hold what does not belong to this log: the log is new and the store is not, or a snapshot's installation
   * was cut short. What the store holds is compared with other nodes' before it is kept.
   */
  readonly doubtful: boolean;
  /** This record is a new incarnation's: log, vote and snapshots beside it are the former one's and have to be set aside. */
  readonly settingAside: boolean;
  /** Identities that the cluster had before its membership was forced: a store that knows one of them belongs here. */
  readonly former: readonly string[];
  /** The membership is being forced; interrupted, that has to be done again before this node may start. */
  readonly forcing: boolean;
}

const FORMAT = 1;
/** What records of earlier builds lack. */
const LATER = { doubtful: false, settingAside: false, former: [], forcing: false } as const;

/** Reads the record; `undefined` when there is none. Throws FileFailed naming what is wrong. */
export function readMember(files: Files, path: string): MemberRecord | undefined {
  if (!files.exists(path)) return undefined;
  const file = files.open(path, { mode: "read" });
  const bytes = new Uint8Array(file.size());
  try {
    file.readAt(bytes, 0);
  } finally {
    file.close();
  }
  const text = new TextDecoder().decode(bytes);
  const end = text.lastIndexOf("\n# crc32c ");
  const body = text.slice(0, end + 1);
  if (end < 0 || text.slice(end + 10).trim() !== crc32c(new TextEncoder().encode(body)).toString(16)) {
    throw new FileFailed("other", path, `${path} is damaged or was edited: its checksum does not fit`);
  }
  const { format, ...record } = JSON.parse(body) as MemberRecord & { format: number };
  if (format !== FORMAT) {
    throw new FileFailed("other", path, `${path} has format ${format}, this server reads ${FORMAT}`);
  }
  return { ...LATER, ...record };
}

/** Writes the record durably. Throws FileFailed; the old one is then still there. */
export function writeMember(files: Files, path: string, record: MemberRecord): void {
  const body = JSON.stringify({ format: FORMAT, ...record }, undefined, 2) + "\n";
  const bytes = new TextEncoder().encode(body);
  const all = new TextEncoder().encode(`${body}# crc32c ${crc32c(bytes).toString(16)}\n`);
  const file = files.open(`${path}.new`, { mode: "empty" });
  try {
    file.writeAt(all, 0);
    file.syncNow();
  } finally {
    file.close();
  }
  files.rename(`${path}.new`, path);
  files.syncDirectory(path.slice(0, path.lastIndexOf("/")));
}
