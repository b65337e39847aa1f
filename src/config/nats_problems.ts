/** Collects what is wrong with the NATS part of a file, each with its place. */
import { ConfigError } from "./errors.ts";
import { type Entry, natsKind, type Node } from "./tree.ts";

export class NatsProblems {
  readonly warnings: string[] = [];
  readonly errors: string[] = [];

  error(node: Node, text: string): void {
    this.errors.push(`${placeOf(node)}: ${text}`);
  }

  warn(node: Node, text: string): void {
    this.warnings.push(`${placeOf(node)}: ${text}`);
  }

  /** Unknown keys of blocks are errors, unless a variable refers to them. */
  unknownField(entry: Entry): void {
    if (!entry.used) this.error(entry, `unknown field "${entry.key}"`);
  }

  wrongType(at: Node, want: string, value: Node = at): undefined {
    this.error(at, `interface conversion: interface {} is ${natsKind(value.value)}, not ${want}`);
    return undefined;
  }

  /** The string of an entry; `undefined` after noting an error. */
  string(entry: Node): string | undefined {
    return typeof entry.value === "string" ? entry.value : this.wrongType(entry, "string");
  }

  boolean(entry: Node): boolean | undefined {
    return typeof entry.value === "boolean" ? entry.value : this.wrongType(entry, "bool");
  }

  integer(entry: Node): number | undefined {
    return typeof entry.value === "bigint" ? Number(entry.value) : this.wrongType(entry, "int64");
  }

  /** Throws one {@link ConfigError} with everything, warnings first, when there are errors. */
  throwErrors(): void {
    if (this.errors.length > 0) throw new ConfigError(this.text());
  }

  /** One line each and an empty one at the end, as the terminal shows it. */
  text(): string {
    return [...this.warnings, ...this.errors].map((line) => `${line}\n`).join("");
  }
}

function placeOf(node: Node): string {
  return `${node.file}:${node.at.line}:${node.at.column}`;
}
