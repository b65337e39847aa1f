/** Which names may stand in per-channel limits (spec stores, section 2.2). */

/** Tokens between single dots; `*` and `>` only as whole tokens, `>` only as the last; no `/`. */
export function isValidChannelPattern(name: string): boolean {
  if (name === "" || name.includes("/")) return false;
  const tokens = name.split(".");
  return tokens.every((token, index) => {
    if (token === "" || (token.length > 1 && /[*>]/.test(token))) return false;
    return token !== ">" || index === tokens.length - 1;
  });
}

/** Whether a valid pattern stands for more than one channel. */
export function hasWildcard(name: string): boolean {
  return name.split(".").some((token) => token === "*" || token === ">");
}
