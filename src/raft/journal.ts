/**
 * The journal of a cluster: operations become entries of the Raft log and are applied on every node once a quorum holds
 * them; reports of deliveries follow lazily (architecture of the log: one entry is one batch of operations).
 */
import type { Files } from "../ports/files.ts";
import { type Journal, NotAgreed, type Replica, type Role } from "../ports/journal.ts";
import { encodeFacts, encodeOperations } from "../protocol/operation_codec.ts";
import { type DeliveryFact, MARKS, type Operation, type Publish } from "../protocol/operations.ts";
import type { Outcome } from "../protocol/outcomes.ts";
import { Cluster } from "./cluster.ts";
import { DEFAULT_LIMITS, type ProposalRefusal } from "./core/mod.ts";
import { type CheckedOptions, checkOptions, type RaftOptions } from "./options.ts";
import { Answerer, NO_LEADER, Proposals } from "./proposals.ts";
import { RaftDirectory } from "./raft_directory.ts";
import type { RaftPorts } from "./raft_ports.ts";
import { describe, type RaftJournalStatus } from "./raft_status.ts";
import { Reports } from "./reports.ts";

/**
 * Checks all options, then takes the Raft directory, so that the node's id is known; nothing talks to the network before
 * `start`. Throws StartFailed with the text for the operator, FileFailed.
 */
export function openRaftJournal(options: RaftOptions, ports: RaftPorts): RaftJournal {
  const checked = checkOptions({ ...options, machineBoot: options.machineBoot ?? machineBoot(ports.files) });
  for (const warning of checked.warnings) ports.log.warn(warning);
  return new RaftJournal(checked, ports, new RaftDirectory(ports.files, ports.random, checked));
}

/** What Linux draws anew with each boot of the machine; empty elsewhere. */
function machineBoot(files: Files): string {
  try {
    const file = files.open("/proc/sys/kernel/random/boot_id", { mode: "read" });
    const bytes = new Uint8Array(64);
    const length = file.readAt(bytes, 0);
    file.close();
    return new TextDecoder().decode(bytes.subarray(0, length)).trim();
  } catch {
    return "";
  }
}

export class RaftJournal implements Journal {
  readonly nodeId: string;
  /** So many batches are synced by followers and sent at the same time before others grow larger. */
  readonly commitsAtOnce = 12;
  readonly logPath: string;
  readonly #ports: RaftPorts;
  readonly #proposals = new Proposals();
  readonly #reports: Reports;
  readonly #cluster: Cluster;
  #stopping: Promise<void> | undefined;
  #stopped = false;

  constructor(options: CheckedOptions, ports: RaftPorts, directory: RaftDirectory) {
    this.nodeId = directory.member.nodeId;
    this.logPath = directory.logPath;
    this.#ports = ports;
    this.#reports = new Reports(ports.clock, (facts) => this.#propose(facts));
    this.#cluster = new Cluster(options, ports, directory, this.#proposals, {
      follow: () => this.#reports.drop(),
      failed: () => this.#stopped = true,
    });
  }

  /** Rejects with StartFailed; the directory is free again then. */
  start(replica: Replica): Promise<void> {
    return this.#cluster.start(replica);
  }

  commit(operations: readonly Operation[]): Promise<readonly Outcome[]> {
    // Others hear the same requests, and may carry them out.
    if (this.#stopped) return Promise.reject(new NotAgreed("not-leader", NO_LEADER));
    const batches = inBatches(operations);
    const payloads = batches.map(encodeOperations);
    const result = this.#cluster.propose("operations", payloads);
    if (result.kind === "refused") return Promise.reject(refusal(result.reason));
    const answer = new Answerer(batches.length);
    batches.forEach((batch, i) => this.#proposals.add(result.first + i, result.term, batch, answer));
    this.#cluster.hurry();
    return answer.promise;
  }

  report(fact: DeliveryFact): void {
    this.#reports.add(fact);
  }

  restate(facts: readonly DeliveryFact[]): void {
    this.#reports.state(facts);
  }

  flushReports(): void {
    this.#reports.flush();
  }

  get mayServe(): boolean {
    return this.#cluster.mayServe;
  }

  get role(): Role {
    return this.#stopped ? "Shutdown" : this.#cluster.role;
  }

  /** Confirms that this node leads and has applied everything that was agreed before the call; `false` where it cannot (Q1). */
  confirm(): Promise<boolean> {
    return this.#cluster.confirm();
  }

  status(): RaftJournalStatus {
    return { ...this.#cluster.status(), role: this.role, nodeId: this.nodeId };
  }

  describe(): Record<string, unknown> {
    return describe(this.status());
  }

  get clocksAgree(): boolean {
    return this.#cluster.clocksAgree;
  }

  /** Asks that another voter lead, `target` if given; answers when something came of it, at the latest after two seconds (E9). */
  handOver(target?: string): Promise<void> {
    return this.#cluster.handOver(target);
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#reports.flush();
    await this.#cluster.handOver();
    this.#stopped = true;
    await this.#cluster.stop();
  }

  /** Reports of a node that does not lead any more are lost, as they would be if it died; others go again later. */
  #propose(facts: readonly DeliveryFact[]): boolean {
    if (this.#stopped || !this.#cluster.leads) return true;
    const result = this.#cluster.propose("facts", [encodeFacts(facts)]);
    if (result.kind === "accepted") this.#proposals.addReport(result.first, result.term);
    return result.kind === "accepted";
  }
}

function refusal(reason: ProposalRefusal): NotAgreed {
  if (reason === "not leader" || reason === "transferring") return new NotAgreed("not-leader", NO_LEADER);
  if (reason === "disk full") return new NotAgreed("store", "no space left on the disk of the cluster log");
  return new NotAgreed("store", "too many requests are waiting to be replicated");
}

/** Entries stay below the size that travels as one append; one operation is never split (L6). */
function inBatches(operations: readonly Operation[]): (readonly Operation[])[] {
  const batches: Operation[][] = [];
  let room = 0;
  for (const operation of operations) {
    const size = operation.kind === "publish" ? packedBytes(operation) : 256;
    if (batches.length === 0 || size > room) {
      batches.push([]);
      room = DEFAULT_LIMITS.appendBytes;
    }
    batches[batches.length - 1]!.push(operation);
    room -= size;
  }
  return batches;
}

function packedBytes({ messages }: Publish): number {
  return messages.count === 0 ? 0 : messages.bounds[messages.count * MARKS - 1]! - messages.bounds[0]!;
}
