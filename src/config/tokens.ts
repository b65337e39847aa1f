/** The tokens that the lexer hands to the parser. */
import type { Position } from "./cursor.ts";

export type TokenKind =
  | "key"
  | "include"
  | "string"
  | "bool"
  | "integer"
  | "float"
  | "date"
  | "variable"
  | "map start"
  | "map end"
  | "array start"
  | "array end"
  | "end";

/** `text` is the value with escapes resolved, without quotes; for a variable its name. */
export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly at: Position;
}
