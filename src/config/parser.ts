/** Builds the tree of a configuration file from its tokens; resolves variables and included files. */
import type { Position } from "./cursor.ts";
import { ConfigError, openErrorText } from "./errors.ts";
import { Lexer } from "./lexer.ts";
import { joinPath, parentFolder } from "./paths.ts";
import type { Token } from "./tokens.ts";
import { ConfigMap, type Entry, type Node, type Value } from "./tree.ts";
import { parseDate, parseFloatText, parseInteger } from "./values.ts";

/** What the language may ask of the world. */
export interface ConfigIo {
  /** The text of a file. Throws an error with a `code` such as `ENOENT` when it cannot be read. */
  read(path: string): string;
  /** A variable of the environment. */
  env(name: string): string | undefined;
}

/** Files that include one another deeper than this are refused. */
const MAX_INCLUDE_DEPTH = 20;
/** Environment variables that refer to environment variables. */
const MAX_VARIABLE_DEPTH = 20;
/** Values that variables repeat: a bound on memory, since each repetition is a copy. */
const MAX_REPEATED = 100_000;

/**
 * Reads and parses `path`. Throws {@link ConfigError}: `open …`, behind `prefix`, when it cannot be read, else what is wrong
 * in it.
 */
export function parseFile(path: string, io: ConfigIo, prefix = ""): ConfigMap {
  let text: string;
  try {
    text = io.read(path);
  } catch (cause) {
    throw new ConfigError(prefix + openErrorText(path, cause), { cause });
  }
  return parseText(text, path, io);
}

/** Parses `text`; `file` is named in errors and its folder is where includes are looked for. Throws {@link ConfigError}. */
export function parseText(text: string, file: string, io: ConfigIo): ConfigMap {
  return new Parser(text, file, io, { includes: 0, variables: 0, repeated: { count: 0 } }).parse();
}

interface Depth {
  readonly includes: number;
  readonly variables: number;
  readonly repeated: { count: number };
}

/** A map or array that is open. */
interface Frame {
  readonly value: ConfigMap | Node[];
  /** Of a map: the key whose value is being read. */
  key: { text: string; at: Position } | undefined;
}

class Parser {
  readonly #lexer: Lexer;
  readonly #file: string;
  readonly #io: ConfigIo;
  readonly #depth: Depth;
  readonly #frames: Frame[] = [{ value: new ConfigMap(), key: undefined }];

  constructor(text: string, file: string, io: ConfigIo, depth: Depth) {
    this.#lexer = new Lexer(text);
    this.#file = file;
    this.#io = io;
    this.#depth = depth;
  }

  parse(): ConfigMap {
    for (;;) {
      const token = this.#lexer.next();
      if (token.kind === "end") return this.#finish(token);
      this.#take(token);
    }
  }

  #finish(token: Token): ConfigMap {
    const root = this.#frame();
    if (root.key !== undefined) {
      throw new ConfigError(`config is invalid (${this.#file}:${token.at.line}:${token.at.column})`);
    }
    return root.value as ConfigMap;
  }

  #frame(): Frame {
    return this.#frames[this.#frames.length - 1] as Frame;
  }

  #take(token: Token): void {
    switch (token.kind) {
      case "key":
        this.#frame().key = token;
        return;
      case "include":
        return this.#include(token);
      case "variable":
        return this.#variable(token);
      case "map start":
        this.#frames.push({ value: new ConfigMap(), key: undefined });
        return;
      case "array start":
        this.#frames.push({ value: [], key: undefined });
        return;
      case "map end":
      case "array end":
        return this.#close(token);
      default:
        return this.#add(scalar(token), token.at);
    }
  }

  /** Errors about a map in an array point to its last key. */
  #close(token: Token): void {
    const { value } = this.#frames.pop() as Frame;
    const last = value instanceof ConfigMap ? [...value.entries.values()].at(-1) : undefined;
    this.#add(value, last?.at ?? { line: token.at.line, column: token.at.column + 1 });
  }

  #add(value: Value, at: Position): void {
    const frame = this.#frame();
    if (frame.value instanceof ConfigMap) {
      const key = frame.key ?? { text: "", at };
      frame.value.set({ key: key.text, value, at: key.at, file: this.#file, used: false });
      frame.key = undefined;
    } else frame.value.push({ value, at, file: this.#file });
  }

  #include(token: Token): void {
    const path = joinPath(parentFolder(this.#file), token.text);
    let included: ConfigMap;
    try {
      if (this.#depth.includes >= MAX_INCLUDE_DEPTH) {
        throw new ConfigError(`files include one another deeper than ${MAX_INCLUDE_DEPTH} levels`);
      }
      included = this.#parseIncluded(path);
    } catch (cause) {
      if (!(cause instanceof ConfigError)) throw cause;
      throw new ConfigError(`error parsing include file '${token.text}', ${cause.message}`, { cause });
    }
    const map = this.#frame().value as ConfigMap;
    for (const entry of included.entries.values()) map.set(entry);
  }

  #parseIncluded(path: string): ConfigMap {
    let text: string;
    try {
      text = this.#io.read(path);
    } catch (cause) {
      throw new ConfigError(openErrorText(path, cause), { cause });
    }
    return new Parser(text, path, this.#io, { ...this.#depth, includes: this.#depth.includes + 1 }).parse();
  }

  /** The maps now open are searched from the innermost, then the environment. */
  #variable(token: Token): void {
    if (token.text.startsWith("2a$")) return this.#add(`$${token.text}`, token.at);
    const at = this.#frame().key?.at ?? token.at;
    const entry = this.#findVariable(token.text);
    if (entry !== undefined) {
      entry.used = true;
      return this.#add(this.#placed(entry.value, at), token.at);
    }
    const text = this.#io.env(token.text);
    if (text === undefined) {
      throw new ConfigError(`variable reference for '${token.text}' on line ${token.at.line} can not be found`);
    }
    this.#add(this.#placed(this.#environmentValue(token, text), at), token.at);
  }

  #findVariable(name: string): Entry | undefined {
    for (const frame of this.#frames.toReversed()) {
      const entry = frame.value instanceof ConfigMap ? frame.value.entries.get(name) : undefined;
      if (entry !== undefined) return entry;
    }
    return undefined;
  }

  /** Text from the environment is a value of the language itself. */
  #environmentValue(token: Token, text: string): Value {
    try {
      if (this.#depth.variables >= MAX_VARIABLE_DEPTH) {
        throw new ConfigError(`variables refer to one another deeper than ${MAX_VARIABLE_DEPTH} levels`);
      }
      const depth = { ...this.#depth, variables: this.#depth.variables + 1 };
      const parsed = new Parser(`value=${text}`, this.#file, this.#io, depth).parse();
      return parsed.entries.get("value")?.value ?? "";
    } catch (cause) {
      if (!(cause instanceof ConfigError)) throw cause;
      const where = `variable reference for '${token.text}' on line ${token.at.line}`;
      throw new ConfigError(`${where} could not be parsed: ${cause.message}`, { cause });
    }
  }

  /** A copy of a value whose parts point to where it is used. */
  #placed(value: Value, at: Position): Value {
    const placed = { at, file: this.#file };
    if (!Array.isArray(value) && !(value instanceof ConfigMap)) return value;
    this.#depth.repeated.count += Array.isArray(value) ? value.length : value.entries.size;
    if (this.#depth.repeated.count > MAX_REPEATED) {
      throw new ConfigError(`${this.#file}: variables repeat more than ${MAX_REPEATED} values`);
    }
    if (Array.isArray(value)) return value.map((node) => ({ value: this.#placed(node.value, at), ...placed }));
    const copy = new ConfigMap();
    for (const entry of value.entries.values()) {
      copy.set({ ...entry, ...placed, value: this.#placed(entry.value, at) });
    }
    return copy;
  }
}

/** The value of a token that is one. */
function scalar(token: Token): Value {
  switch (token.kind) {
    case "bool":
      return /^(?:true|yes|on)$/i.test(token.text);
    case "integer":
      return parseInteger(token.text);
    case "float":
      return parseFloatText(token.text);
    case "date":
      return parseDate(token.text);
    default:
      return token.text;
  }
}
