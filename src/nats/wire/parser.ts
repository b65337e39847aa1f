/**
 * Cuts the bytes of a NATS connection into frames, however the network has split them (spec nats-server, section 1.4).
 *
 * The parser owns no bytes: it looks at the caller's buffer and leaves offsets in its own fields, valid during the call
 * of {@link FrameSink.frame} only. An unfinished frame stays in the caller's buffer and is offered again with more.
 */
import { Shape, Verb, type VerbRule } from "./verbs.ts";

/** Why parsing stopped for good. */
export const Failure = {
  None: 0,
  /** `-ERR 'Unknown Protocol Operation'`. */
  UnknownOperation: 1,
  /** Wrong argument count, a size that is no number: closed without a text. */
  Malformed: 2,
  /** `-ERR 'Maximum Payload Violation'`. */
  MaxPayload: 3,
  /** `-ERR 'maximum control line exceeded'`. */
  MaxControlLine: 4,
} as const;

/** One of {@link Failure}. */
export type Failure = (typeof Failure)[keyof typeof Failure];

export interface FrameSink {
  /** Takes the frame that the parser's fields describe. `false`: stop after it; the caller will push the rest later. */
  frame(parser: FrameParser): boolean;
}

export interface FrameLimits {
  /** Bytes of a payload; `Infinity` on routes. */
  maxPayload: number;
  /** Bytes of the arguments of a control line, without verb, first blanks and line end. */
  maxControlLine: number;
}

const LF = 10;
const CR = 13;
const SPACE = 32;
const TAB = 9;

/** Nothing more can be said before more bytes are there. */
const INCOMPLETE = -1;

export class FrameParser {
  /** The caller's buffer, which all offsets are in. */
  buffer: Uint8Array = new Uint8Array(0);
  verb: Verb = Verb.None;
  /** Start and end of each argument, alternating. */
  tokens = new Int32Array(16);
  tokenCount = 0;
  /** The argument text without line end; for Connect, Info and Error. */
  argumentsStart = 0;
  argumentsEnd = 0;
  /** Whether arguments are separated by one blank each and the line ends in CR LF: it may be copied as it stands. */
  canonical = false;
  /** Header block included. */
  payloadStart = 0;
  payloadEnd = 0;
  /** Bytes of the header block at the start of the payload; 0 without one. */
  headerSize = 0;
  failure: Failure = Failure.None;
  /**
   * Changes with every control line, but not between publishes in a row whose lines are the same bytes: what was found
   * out about the subject still holds then.
   */
  line = 0;
  limits: Readonly<FrameLimits>;
  /** Whether HPUB is taken; it is malformed otherwise. */
  headers = true;

  readonly #sink: FrameSink;
  readonly #rules: readonly VerbRule[];
  readonly #publish: VerbRule;
  /** Length of the unfinished frame as far as it is known, counted from its start. */
  #wanted = 0;
  /** Bytes of the unfinished control line that are known to hold no line feed. */
  #searched = 0;
  /** Dropping everything up to the next line feed. */
  #skipping = false;
  /** Where the last frame begins, when it was a publish in this very buffer; -1 otherwise. */
  #last = -1;
  /** Length of its control line. */
  #lineLength = 0;

  constructor(rules: readonly VerbRule[], limits: Readonly<FrameLimits>, sink: FrameSink) {
    this.#rules = rules;
    const publish = rules.find((rule) => rule.verb === Verb.Publish);
    if (publish === undefined) throw new RangeError("a port must take PUB");
    this.#publish = publish;
    this.limits = limits;
    this.#sink = sink;
  }

  /** How many bytes the unfinished frame is known to need, from its start; what the caller's buffer must hold. */
  get wanted(): number {
    return this.#wanted;
  }

  /**
   * Hands out the frames that are complete in `buffer[start, end)`. Returns the offset up to which bytes are used: the
   * start of an unfinished frame, or of the next one when the sink said stop. After a {@link failure} nothing more is parsed.
   */
  push(buffer: Uint8Array, start: number, end: number): number {
    this.buffer = buffer;
    this.#last = -1;
    let at = start;
    while (at < end && this.failure === Failure.None) {
      const next = this.#skipping ? this.#skip(at, end) : this.#next(at, end);
      if (next === INCOMPLETE) {
        if (this.#skipping) at = end;
        break;
      }
      this.#wanted = 0;
      this.#searched = 0;
      at = next;
      if (!this.#sink.frame(this)) break;
    }
    return at;
  }

  /** Parses one frame; returns where the next begins, or INCOMPLETE (also after a failure). */
  #next(at: number, end: number): number {
    if (this.#wanted > end - at) return this.#checkPayloadEnd(at, end);
    const buffer = this.buffer;
    if (this.#last >= 0 && this.#isLastLine(at, end)) return this.#repeat(at, end);
    this.#last = -1;
    this.line++;
    // The verb that matters most, without a search.
    if (
      end - at > 4 && (buffer[at]! | 32) === 112 && (buffer[at + 1]! | 32) === 117 && (buffer[at + 2]! | 32) === 98 &&
      (buffer[at + 3] === SPACE || buffer[at + 3] === TAB)
    ) {
      return this.#afterVerb(this.#publish, at, at + 3, end);
    }
    const rule = this.#ruleAt(at, end);
    if (rule === undefined) return INCOMPLETE;
    return this.#afterVerb(rule, at, at + rule.name.length, end);
  }

  /** Whether the control line of the last frame stands here again. Compared from its end, where lines differ sooner. */
  #isLastLine(at: number, end: number): boolean {
    const last = this.#last;
    const length = this.#lineLength;
    if (end - at < length) return false;
    const buffer = this.buffer;
    for (let i = length - 1; i >= 0; i--) if (buffer[at + i] !== buffer[last + i]) return false;
    return true;
  }

  /** The last frame again, with another payload: many publish to one subject in a row. */
  #repeat(at: number, end: number): number {
    const ahead = at - this.#last;
    const tokens = this.tokens;
    for (let i = 2 * this.tokenCount - 1; i >= 0; i--) tokens[i] = tokens[i]! + ahead;
    this.argumentsStart += ahead;
    this.argumentsEnd += ahead;
    return this.#takePayload(at, this.payloadStart + ahead, this.payloadEnd - this.payloadStart, end);
  }

  /** The rule whose name stands at `at`; `undefined` when too few bytes are there yet, or none can match (a failure). */
  #ruleAt(at: number, end: number): VerbRule | undefined {
    const buffer = this.buffer;
    let possible = false;
    for (let r = 0; r < this.#rules.length; r++) {
      const rule = this.#rules[r]!;
      const name = rule.name;
      const length = Math.min(name.length, end - at);
      let i = 0;
      while (i < length && lower(buffer[at + i]!) === name[i]) i++;
      if (i < length) continue;
      if (length === name.length) return rule;
      possible = true;
    }
    if (!possible) this.failure = Failure.UnknownOperation;
    return undefined;
  }

  #afterVerb(rule: VerbRule, start: number, at: number, end: number): number {
    this.verb = rule.verb;
    this.headerSize = 0;
    if (rule.shape === Shape.Ignored) return this.#ignoredRest(at, end);
    if (at >= end) return INCOMPLETE;
    const first = this.buffer[at]!;
    if (!rule.blankOptional && first !== SPACE && first !== TAB) return this.#fail(Failure.UnknownOperation);
    const lineEnd = rule.shape === Shape.Text ? this.#readText(start, at, end) : this.#readTokens(start, at, end);
    if (lineEnd === INCOMPLETE) return INCOMPLETE;
    if (this.argumentsEnd - this.argumentsStart > this.limits.maxControlLine) {
      return this.#fail(Failure.MaxControlLine);
    }
    if (rule.shape === Shape.Text) return lineEnd;
    if (rule.verb === Verb.HeaderPublish && !this.headers) return this.#fail(Failure.Malformed);
    if (this.tokenCount < rule.least || this.tokenCount > rule.most) return this.#fail(Failure.Malformed);
    if (rule.shape === Shape.Arguments) return lineEnd;
    return this.#readPayload(rule.shape === Shape.HeaderPayload, start, lineEnd, end);
  }

  /** PING, PONG and +OK count once the verb is there; the rest of the line is dropped when it comes. */
  #ignoredRest(at: number, end: number): number {
    const buffer = this.buffer;
    for (let i = at; i < end; i++) if (buffer[i] === LF) return i + 1;
    this.#skipping = true;
    this.#wanted = 0;
    return INCOMPLETE;
  }

  #skip(at: number, end: number): number {
    const buffer = this.buffer;
    for (let i = at; i < end; i++) {
      if (buffer[i] !== LF) continue;
      this.#skipping = false;
      return i + 1;
    }
    return INCOMPLETE;
  }

  #readText(start: number, from: number, end: number): number {
    const buffer = this.buffer;
    const at = afterBlanks(buffer, from, end);
    this.argumentsStart = at;
    const feed = this.#lineFeed(start, at, end);
    if (feed === INCOMPLETE) return INCOMPLETE;
    let last = feed;
    if (last > at && buffer[last - 1] === CR) last--;
    this.argumentsEnd = last;
    return feed + 1;
  }

  /** Where the line feed is; INCOMPLETE without one, and a failure when the line is already too long. */
  #lineFeed(start: number, argument: number, end: number): number {
    const buffer = this.buffer;
    for (let i = Math.max(argument, start + this.#searched); i < end; i++) if (buffer[i] === LF) return i;
    this.#searched = end - start;
    // A carriage return may stand last.
    if (end - argument > this.limits.maxControlLine + 1) return this.#fail(Failure.MaxControlLine);
    return INCOMPLETE;
  }

  #readTokens(start: number, from: number, end: number): number {
    const buffer = this.buffer;
    if (this.#searched > 0 && this.#lineFeed(start, afterBlanks(buffer, from, end), end) === INCOMPLETE) {
      return INCOMPLETE;
    }
    let tokens = this.tokens;
    let count = 0;
    let canonical = true;
    let at = from;
    let byte = 0;
    for (;;) {
      const blanks = at;
      while (at < end && ((byte = buffer[at]!) === SPACE || byte === TAB)) at++;
      if (at >= end) break;
      if (count === 0) this.argumentsStart = at;
      if (byte === LF || (byte === CR && at + 1 < end && buffer[at + 1] === LF)) {
        this.tokenCount = count;
        this.argumentsEnd = at;
        this.canonical = canonical && byte === CR && blanks === at;
        return byte === CR ? at + 2 : at + 1;
      }
      if (byte === CR && at + 1 >= end) break;
      canonical = canonical && at - blanks === 1 && buffer[blanks] === SPACE;
      const token = at;
      at = tokenEnd(buffer, at, end);
      if (at >= end) break;
      if (2 * count + 2 > tokens.length) tokens = this.#growTokens();
      tokens[2 * count] = token;
      tokens[2 * count + 1] = at;
      count++;
    }
    return this.#lineFeed(start, afterBlanks(buffer, from, end), end);
  }

  #growTokens(): Int32Array<ArrayBuffer> {
    const grown = new Int32Array(this.tokens.length * 2);
    grown.set(this.tokens);
    this.tokens = grown;
    return grown;
  }

  #readPayload(withHeader: boolean, start: number, lineEnd: number, end: number): number {
    const size = this.#sizeToken(this.tokenCount - 1);
    if (size < 0) return this.#fail(Failure.Malformed);
    if (withHeader) {
      const header = this.#sizeToken(this.tokenCount - 2);
      if (header < 0 || header > size) return this.#fail(Failure.Malformed);
      this.headerSize = header;
    }
    if (size > this.limits.maxPayload) return this.#fail(Failure.MaxPayload);
    this.#lineLength = lineEnd - start;
    return this.#takePayload(start, lineEnd, size, end);
  }

  #takePayload(start: number, payload: number, size: number, end: number): number {
    this.payloadStart = payload;
    this.payloadEnd = payload + size;
    const next = payload + size + 2;
    if (next > end) {
      this.#wanted = next - start;
      return this.#checkPayloadEnd(start, end);
    }
    if (this.buffer[next - 2] !== CR || this.buffer[next - 1] !== LF) return this.#fail(Failure.UnknownOperation);
    this.#last = start;
    return next;
  }

  /** The byte after the payload may already be wrong although the one after it is still missing. */
  #checkPayloadEnd(start: number, end: number): number {
    if (this.#wanted === end - start + 1 && this.buffer[end - 1] !== CR) this.failure = Failure.UnknownOperation;
    return INCOMPLETE;
  }

  /** The number that an argument spells, 1 to 9 digits; -1 when it does not. */
  #sizeToken(index: number): number {
    const from = this.tokens[2 * index]!;
    const to = this.tokens[2 * index + 1]!;
    if (to - from > 9) return -1;
    let value = 0;
    for (let i = from; i < to; i++) {
      const digit = this.buffer[i]! - 48;
      if (digit < 0 || digit > 9) return -1;
      value = value * 10 + digit;
    }
    return value;
  }

  #fail(failure: Failure): number {
    this.failure = failure;
    return INCOMPLETE;
  }
}

/** The end of the token that begins at `at`; `end` when that is not certain yet. A CR counts as its byte unless LF follows. */
function tokenEnd(buffer: Uint8Array, at: number, end: number): number {
  let i = at;
  for (; i < end; i++) {
    const byte = buffer[i]!;
    if (byte > SPACE) continue;
    if (byte === SPACE || byte === TAB || byte === LF) return i;
    if (byte === CR && (i + 1 >= end || buffer[i + 1] === LF)) return i + 1 >= end ? end : i;
  }
  return end;
}

function afterBlanks(buffer: Uint8Array, at: number, end: number): number {
  let i = at;
  while (i < end && (buffer[i] === SPACE || buffer[i] === TAB)) i++;
  return i;
}

function lower(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte;
}
