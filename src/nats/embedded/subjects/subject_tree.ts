/**
 * Finds who is interested in a subject (spec nats-server, section 2).
 *
 * A trie by token. Matching costs the depth of the subject and the wildcards on its way, whatever else is subscribed to.
 * Lists are flattened per match, so that a result stays as it is while its subscriptions come and go; whoever delivers
 * asks each one whether it is still active.
 */
import type { Interest, RemoteInterest } from "./interest.ts";

/** Stands for every empty list: most lists of most patterns stay empty. Never written to. */
const nobody: Interest[] = [];

/** The interests in one pattern and one queue group (or none). */
class Lists {
  readonly node: Node;
  readonly queue: string | undefined;
  locals: Interest[] = nobody;
  remotes: Interest[] = nobody;

  constructor(node: Node, queue: string | undefined) {
    this.node = node;
    this.queue = queue;
  }
}

/** Where an interest is kept. */
export type Place = Lists;

class Node {
  readonly parent: Node | undefined;
  readonly token: string;
  /** The only child with a literal token, as long as there was never a second: a map costs more than all the rest. */
  only: Node | undefined = undefined;
  children: Map<string, Node> | undefined = undefined;
  /** The child for `*`. */
  star: Node | undefined = undefined;
  /** The child for `>`. */
  rest: Node | undefined = undefined;
  plain: Lists | undefined = undefined;
  groups: Map<string, Lists> | undefined = undefined;
  /** Whether it waits to be pruned. */
  idle = false;

  constructor(parent: Node | undefined, token: string) {
    this.parent = parent;
    this.token = token;
  }

  get empty(): boolean {
    return this.plain === undefined && this.groups === undefined && this.only === undefined &&
      this.children === undefined && this.star === undefined && this.rest === undefined;
  }
}

/** One queue group's members for one subject, from all the patterns that match it. */
export interface MatchedGroup<Local, Remote> {
  readonly name: string;
  readonly locals: Local[];
  readonly remotes: Remote[];
  /** Sum of the weights of `remotes`. */
  remoteWeight: number;
}

/** Everybody interested in one subject. Shared: never change it. */
export interface Match<Local, Remote> {
  readonly locals: readonly Local[];
  readonly remotes: readonly Remote[];
  readonly groups: readonly MatchedGroup<Local, Remote>[];
}

interface MatchInProgress<Local, Remote> {
  locals: Local[];
  remotes: Remote[];
  groups: MatchedGroup<Local, Remote>[];
}

/** Version counters by the first token, so that churn of inboxes leaves results for other subjects valid. */
const SLOTS = 256;
/**
 * Empty nodes that are kept for a while. A subject that comes and goes finds its node again; deleting and adding the same
 * key of a large map over and over is slow.
 */
const IDLE_NODES = 256;

export class SubjectTree<Local extends Interest, Route> {
  readonly #root = new Node(undefined, "");
  readonly #versions = new Int32Array(SLOTS);
  #wildVersion = 0;
  readonly #idle: Node[] = [];
  #nextIdle = 0;
  #locals = 0;
  #remotes = 0;
  #inserts = 0;
  #removes = 0;
  #matches = 0;

  /** How many interests of this server are held. */
  get localCount(): number {
    return this.#locals;
  }
  /** How many interests of other servers are held. */
  get remoteCount(): number {
    return this.#remotes;
  }
  get insertCount(): number {
    return this.#inserts;
  }
  get removeCount(): number {
    return this.#removes;
  }
  /** How often the trie was walked. */
  get matchCount(): number {
    return this.#matches;
  }

  /** The slot whose version tells whether results for this subject still hold. */
  slotOf(subject: string): number {
    let hash = 7;
    for (let i = 0; i < subject.length; i++) {
      const code = subject.charCodeAt(i);
      if (code === 46) break;
      hash = (Math.imul(hash, 31) + code) | 0;
    }
    return hash & (SLOTS - 1);
  }

  /** Changes whenever a result for a subject of this slot may have changed. */
  version(slot: number): number {
    return (this.#versions[slot]! + this.#wildVersion) | 0;
  }

  /** Adds an interest of this server's own. The subject must be valid (see `validSubject`). */
  insert(interest: Local): void {
    this.#put(interest);
    this.#locals++;
  }

  /** Adds another server's interest. */
  insertRemote(interest: RemoteInterest<Route>): void {
    this.#put(interest);
    this.#remotes++;
  }

  /** Changes how many members a remote queue group has. */
  setWeight(interest: RemoteInterest<Route>, weight: number): void {
    interest.weight = weight;
    this.#changed(interest.subject);
  }

  /** Takes an interest out; harmless when it is not in. Cost does not depend on how many others there are. */
  remove(interest: Interest): void {
    const lists = interest.place;
    if (lists === undefined) return;
    const list = interest.remote ? lists.remotes : lists.locals;
    const last = list.pop()!;
    if (last !== interest) {
      list[interest.index] = last;
      last.index = interest.index;
    }
    interest.place = undefined;
    if (interest.remote) this.#remotes--;
    else this.#locals--;
    this.#removes++;
    this.#changed(interest.subject);
    if (lists.locals.length > 0 || lists.remotes.length > 0) return;
    const node = lists.node;
    if (lists.queue === undefined) node.plain = undefined;
    else if (node.groups!.delete(lists.queue) && node.groups!.size === 0) node.groups = undefined;
    if (node.empty && !node.idle) this.#pruneLater(node);
  }

  #pruneLater(node: Node): void {
    const oldest = this.#idle[this.#nextIdle];
    this.#idle[this.#nextIdle] = node;
    this.#nextIdle = (this.#nextIdle + 1) % IDLE_NODES;
    node.idle = true;
    if (oldest === undefined) return;
    oldest.idle = false;
    prune(oldest);
  }

  /** Everybody whose subject matches the published `subject`, which is taken literally. An invalid subject matches nobody. */
  match(subject: string): Match<Local, RemoteInterest<Route>> {
    this.#matches++;
    const found: MatchInProgress<Local, RemoteInterest<Route>> = { locals: [], remotes: [], groups: [] };
    if (validLiteral(subject)) walk(this.#root, subject, 0, found);
    return found;
  }

  /** Calls `visit` for every interest, this server's and others'. */
  forEach(visit: (interest: Interest) => void): void {
    for (const lists of this.#lists()) {
      for (const interest of lists.locals) visit(interest);
      for (const interest of lists.remotes) visit(interest);
    }
  }

  /**
   * Each subject and queue group that this server wants, with how many want it. The tree may change between two steps:
   * what came meanwhile may be left out, what stays throughout is not.
   */
  *localPlaces(): IterableIterator<{ subject: string; queue: string | undefined; count: number }> {
    for (const { locals, queue } of this.#lists()) {
      if (locals.length > 0) yield { subject: locals[0]!.subject, queue, count: locals.length };
    }
  }

  *#lists(): IterableIterator<Lists> {
    const pending = [this.#root];
    for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
      if (node.plain !== undefined) yield node.plain;
      if (node.groups !== undefined) { for (const lists of node.groups.values()) yield lists; }
      if (node.only !== undefined) pending.push(node.only);
      if (node.children !== undefined) { for (const child of node.children.values()) pending.push(child); }
      if (node.star !== undefined) pending.push(node.star);
      if (node.rest !== undefined) pending.push(node.rest);
    }
  }

  #put(interest: Interest): void {
    const node = this.#findOrMake(interest.subject);
    const lists = interest.queue === undefined ? plainOf(node) : groupOf(node, interest.queue);
    const list = interest.remote ? lists.remotes : lists.locals;
    interest.place = lists;
    interest.index = list.length;
    if (list !== nobody) list.push(interest);
    else if (interest.remote) lists.remotes = [interest];
    else lists.locals = [interest];
    this.#inserts++;
    this.#changed(interest.subject);
  }

  #changed(subject: string): void {
    const first = subject.charCodeAt(0);
    const wild = (first === 42 || first === 62) && (subject.length === 1 || subject.charCodeAt(1) === 46);
    if (wild) this.#wildVersion = (this.#wildVersion + 1) | 0;
    else this.#versions[this.slotOf(subject)]!++;
  }

  #findOrMake(subject: string): Node {
    let node = this.#root;
    for (const token of subject.split(".")) {
      if (token === "*") node = node.star ??= new Node(node, token);
      else if (token === ">") node = node.rest ??= new Node(node, token);
      else node = childOf(node, token) ?? addChild(node, token);
    }
    return node;
  }
}

function plainOf(node: Node): Lists {
  return node.plain ??= new Lists(node, undefined);
}

function groupOf(node: Node, queue: string): Lists {
  const groups = node.groups ??= new Map();
  let lists = groups.get(queue);
  if (lists === undefined) groups.set(queue, lists = new Lists(node, queue));
  return lists;
}

/**
 * A token as a key of a map. The runtime hashes texts that are whole numbers so badly that maps of many become lists; a
 * mark in front makes other texts of them.
 */
function keyOf(token: string): string {
  const first = token.charCodeAt(0);
  return (first >= 48 && first <= 57) || first === 35 ? `#${token}` : token;
}

function childOf(node: Node, token: string): Node | undefined {
  const only = node.only;
  if (only !== undefined) return only.token === token ? only : undefined;
  return node.children?.get(keyOf(token));
}

function addChild(parent: Node, token: string): Node {
  const child = new Node(parent, token);
  if (parent.children !== undefined) parent.children.set(keyOf(token), child);
  else if (parent.only === undefined) parent.only = child;
  else {
    parent.children = new Map([[keyOf(parent.only.token), parent.only], [keyOf(token), child]]);
    parent.only = undefined;
  }
  return child;
}

function prune(from: Node): void {
  let node = from;
  while (node.parent !== undefined && node.empty) {
    const parent: Node = node.parent;
    if (parent.star === node) parent.star = undefined;
    else if (parent.only === node) parent.only = undefined;
    else if (parent.rest === node) parent.rest = undefined;
    else if (parent.children!.delete(keyOf(node.token)) && parent.children!.size === 0) parent.children = undefined;
    node = parent;
  }
}

type Found<Local, Route> = MatchInProgress<Local, RemoteInterest<Route>>;

function walk<Local, Route>(node: Node, subject: string, at: number, found: Found<Local, Route>): void {
  if (node.rest !== undefined) gather(node.rest, found);
  const dot = subject.indexOf(".", at);
  const last = dot < 0;
  if (node.star !== undefined) {
    if (last) gather(node.star, found);
    else walk(node.star, subject, dot + 1, found);
  }
  if (node.children === undefined && node.only === undefined) return;
  const child = childOf(node, last ? subject.slice(at) : subject.slice(at, dot));
  if (child === undefined) return;
  if (last) gather(child, found);
  else walk(child, subject, dot + 1, found);
}

function gather<Local, Route>(node: Node, found: Found<Local, Route>): void {
  if (node.plain !== undefined) {
    append(found.locals, node.plain.locals as unknown as Local[]);
    append(found.remotes, node.plain.remotes as RemoteInterest<Route>[]);
  }
  if (node.groups === undefined) return;
  // Names are unique within a node: only groups from other patterns can be the same.
  const others = found.groups.length;
  for (const [name, lists] of node.groups) {
    let group: MatchedGroup<Local, RemoteInterest<Route>> | undefined;
    for (let i = 0; i < others; i++) if (found.groups[i]!.name === name) group = found.groups[i];
    if (group === undefined) found.groups.push(group = { name, locals: [], remotes: [], remoteWeight: 0 });
    append(group.locals, lists.locals as unknown as Local[]);
    for (const remote of lists.remotes as RemoteInterest<Route>[]) {
      if (remote.weight <= 0) continue;
      group.remotes.push(remote);
      group.remoteWeight += remote.weight;
    }
  }
}

function append<T>(target: T[], more: readonly T[]): void {
  for (let i = 0; i < more.length; i++) target.push(more[i]!);
}

/** Whether a subject has no empty token; wildcards are fine. */
export function validLiteral(subject: string): boolean {
  return subject.length > 0 && subject.charCodeAt(0) !== 46 && subject.charCodeAt(subject.length - 1) !== 46 &&
    !subject.includes("..");
}

/** Whether a subject can be subscribed to: no empty token, and `>` alone only as the last token. */
export function validSubject(subject: string): boolean {
  if (!validLiteral(subject)) return false;
  return subject !== ">" ? !subject.startsWith(">.") && !subject.includes(".>.") : true;
}

/** Whether a subject holds a wildcard token, so that other subjects match it. */
export function hasWildcard(subject: string): boolean {
  return /(^|\.)(\*|>)(\.|$)/.test(subject);
}
