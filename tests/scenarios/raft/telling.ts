/** Messages, entries and memberships in the words of scripts. */
import type { Entry, Membership, Message } from "../../../src/raft/core/mod.ts";

const SHORT: Readonly<Record<Entry["kind"], string>> = {
  operations: "",
  facts: "f",
  "no-op": "n",
  membership: "m",
  identity: "i",
};

/** `3/1 4/2n`: index, term, and a letter for what is no operation. */
export function tellEntries(entries: readonly Entry[]): string {
  return entries.map((entry) => `${entry.index}/${entry.term}${SHORT[entry.kind]}`).join(" ");
}

/** `a b (c)`: learners in brackets, with the incarnation where it is not the first. */
export function tellMembership(membership: Membership): string {
  return membership.members.map(({ id, incarnation, voter }) => {
    const name = incarnation === "" ? `${id}?` : incarnation === `${id}0` ? id : incarnation;
    return voter ? name : `(${name})`;
  }).join(" ");
}

export function tellMessage(message: Message): string {
  return `${message.from}>${message.to} ${message.kind}${details(message)}`;
}

function details(message: Message): string {
  switch (message.kind) {
    case "pre-vote":
      return ` for term ${message.term + 1}, log ends ${message.lastIndex}/${message.lastTerm}${
        message.hint ? ", hint" : ""
      }`;
    case "vote": {
      const why = `${message.hint ? ", hint" : ""}${message.transfer ? ", transfer" : ""}`;
      return ` in term ${message.term}, log ends ${message.lastIndex}/${message.lastTerm}${why}`;
    }
    case "pre-vote reply":
    case "vote reply":
      return ` for term ${message.forTerm}: ${message.reason}${
        message.guardTicks > 0 ? `, guard ${message.guardTicks}` : ""
      }`;
    case "append":
      return ` after ${message.prevIndex}/${message.prevTerm}, commit ${message.commit}: ${
        tellEntries(message.entries)
      }`.trimEnd();
    case "append reply":
      return ` ${message.match}`;
    case "append refusal":
      return ` of ${message.prevIndex}: term ${message.conflictTerm} from ${message.conflictIndex}, ends ${message.lastIndex}`;
    case "heartbeat":
      return ` ${message.round}, commit ${message.commit}`;
    case "heartbeat reply":
      return ` ${message.round}${
        message.installing > 0 ? `, installs ${message.installing}/${message.installingTerm}` : ""
      }`;
    case "removed":
      return ` by ${message.index}`;
    case "snapshot announce":
      return ` ${message.snapshot.index}/${message.snapshot.term}`;
    case "snapshot reply":
      return message.failed ? " failed" : ` ${message.match}`;
    default:
      return "";
  }
}

function mark(text: string): [index: number, term: number] {
  const [index = 0, term = 0] = text.split("/").map(Number);
  return [index, term];
}

/** A message as a script makes it up: `append a>b term 3 prev 2/1 commit 5 entries 3/1 4/1`. */
export function parseMessage(words: readonly string[], identityOf: (id: string) => string): Message {
  const [kind, link = "", ...rest] = words;
  const [from = "", to = ""] = link.split(">");
  const fields: Record<string, string[]> = {};
  let field = "";
  for (const word of rest) {
    if (/^[a-z]/.test(word)) fields[field = word] = [];
    else fields[field]!.push(word);
  }
  const number = (name: string) => Number(fields[name]?.[0] ?? 0);
  const identity = identityOf(from) || identityOf(to);
  const header = { from, incarnation: `${from}0`, to, expected: "", term: number("term"), identity, founders: "" };
  const [prevIndex, prevTerm] = mark(fields["prev"]?.[0] ?? "0/0");
  switch (kind) {
    case "append": {
      const entries = (fields["entries"] ?? []).map((text): Entry => {
        const [index, term] = mark(text);
        return { kind: "operations", index, term, payload: new Uint8Array(8) };
      });
      return { kind, ...header, sequence: 0, prevIndex, prevTerm, commit: number("commit"), answer: 0, entries };
    }
    case "heartbeat":
      return { kind, ...header, commit: number("commit"), commitTerm: number("of"), round: 1, sentAt: 0 };
    case "announce": {
      const [index, term] = mark(fields["at"]?.[0] ?? "0/0");
      const membership = { index: 0, membership: { members: [] } };
      return { kind: "snapshot announce", ...header, snapshot: { index, term, membership, identity } };
    }
    case "timeout-now":
      return { kind: "timeout now", ...header };
    case "vote": {
      const [lastIndex, lastTerm] = mark(fields["last"]?.[0] ?? "0/0");
      return { kind, ...header, lastIndex, lastTerm, hint: false, transfer: "transfer" in fields };
    }
    default:
      throw new Error(`cannot make a message of: ${words.join(" ")}`);
  }
}
