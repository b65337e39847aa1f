/**
 * What subscribers of a {@link MachineDriver} may expect, kept by a small model that knows none of the machine's ways:
 * which messages each of them must get, in which order, and what may come twice.
 */
import assert from "node:assert/strict";
import { StartPosition } from "../../src/protocol/client_messages.ts";
import type { Delivery, MachineDriver } from "./machine_driver.ts";

/** A plain subscription, a durable or a whole group, over all its connections. */
export interface Expectation {
  readonly name: string;
  readonly isGroup: boolean;
  /** Everything behind this one must come. */
  readonly startAfter: number;
  readonly seen: Set<number>;
  readonly acked: Set<number>;
  /** What a leader may have delivered whose knowledge is lost: it may come again as if for the first time. */
  readonly forgiven: Set<number>;
  /** The highest sequence delivered for the first time. */
  highest: number;
}

/** Which message a new subscription must get first, less one (spec streaming, section 5.2). */
export function startAfter(position: number, sequence: number, first: number, last: number): number {
  switch (position) {
    case StartPosition.first:
      return Math.max(first, 1) - 1;
    case StartPosition.lastReceived:
      return Math.max(last - 1, 0);
    case StartPosition.sequence:
      return Math.min(Math.max(sequence, first, 1) - 1, last);
    default:
      return last;
  }
}

export class Ledger {
  readonly #byInbox = new Map<string, Expectation>();
  readonly expectations = new Set<Expectation>();
  /** Messages that the store lost on purpose. */
  readonly gone = new Set<number>();
  /** Whether inboxes failed: then a group's messages may be passed on beyond the room of a member. */
  anyBroken = false;
  /** Whether a leader's knowledge was lost: then what it may have delivered comes flagged. */
  anyLost = false;

  /** Connects an inbox with what it may expect. */
  attach(inbox: string, expectation: Expectation): void {
    this.#byInbox.set(inbox, expectation);
    this.expectations.add(expectation);
  }

  of(inbox: string): Expectation | undefined {
    return this.#byInbox.get(inbox);
  }

  /** An earlier leader took its knowledge along: what it did last may be done again. */
  forgive(): void {
    this.anyLost = true;
    for (const each of this.expectations) {
      each.acked.clear();
      for (const sequence of each.seen) each.forgiven.add(sequence);
      each.highest = 0;
    }
  }

  /** Checks what was delivered since the last call. */
  check(driver: MachineDriver): void {
    for (const delivery of driver.deliveries.splice(0)) this.#checkDelivery(delivery);
    this.#checkIdle(driver);
  }

  #checkDelivery({ inbox, sequence, count, pending, inFlight }: Delivery): void {
    const expected = this.#byInbox.get(inbox);
    assert.ok(expected !== undefined, `delivery to unknown inbox ${inbox}`);
    const what = `${sequence} to ${expected.name}`;
    assert.ok(sequence > expected.startAfter, `${what}: before its start ${expected.startAfter}`);
    assert.ok(!expected.acked.has(sequence), `${what}: it was acked`);
    if (count === 0) {
      if (!expected.isGroup || !this.anyBroken) {
        assert.ok(pending <= inFlight, `${what}: ${pending} of ${inFlight} pending`);
      }
      const isFirst = !expected.seen.has(sequence) || expected.forgiven.has(sequence);
      assert.ok(isFirst, `${what}: again, but not flagged`);
      assert.ok(expected.isGroup || sequence > expected.highest, `${what}: after ${expected.highest}`);
      expected.highest = Math.max(expected.highest, sequence);
    } else assert.ok(this.anyBroken || this.anyLost || expected.seen.has(sequence), `${what}: flagged, but never seen`);
    expected.seen.add(sequence);
  }

  /** Nobody who is ready and has room waits for a message that is there. */
  #checkIdle(driver: MachineDriver): void {
    const channel = driver.machine.state.channels.get("foo");
    if (channel === undefined || driver.unreadable.size > 0) return;
    for (const each of channel.subscriptions.values()) {
      if (each.group !== undefined || each.offline || !each.initialised || each.unsent.size > 0) continue;
      const isIdle = each.pending.size < each.maxInFlight && this.#waiting(each.lastSent, channel.last) && !each.onHold;
      assert.ok(!isIdle, `subscription ${each.id} is idle at ${each.lastSent} of ${channel.last}`);
      assert.equal(each.stalled, each.pending.size >= each.maxInFlight, `stalled flag of ${each.id}`);
    }
    for (const group of channel.groups.values()) {
      if (group.onHold || !this.#waiting(group.lastSent, channel.last)) continue;
      const ready = group.members.find((each) => each.initialised && each.pending.size < each.maxInFlight);
      assert.ok(ready === undefined, `group ${group.name} is idle at ${group.lastSent} of ${channel.last}`);
    }
  }

  #waiting(position: number, last: number): boolean {
    for (let sequence = position + 1; sequence <= last; sequence++) if (!this.gone.has(sequence)) return true;
    return false;
  }

  /** When all is over: nobody missed a message. */
  checkComplete(expected: Iterable<Expectation>, last: number): void {
    for (const each of expected) {
      for (let sequence = each.startAfter + 1; sequence <= last; sequence++) {
        assert.ok(each.seen.has(sequence) || this.gone.has(sequence), `${each.name} never got ${sequence} of ${last}`);
      }
    }
  }
}
