/** The one error that the configuration language and the options raise for what an operator wrote. */

/** `message` is the exact text for the terminal, without final line feed. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/**
 * The words of an error of the operating system as Go prints them, e.g. `open a.conf: no such file or directory`. Takes
 * what a `read` function threw: an error with a `code` such as `ENOENT`, or one of the runtime's named errors.
 */
export function openErrorText(path: string, thrown: unknown): string {
  const { code, name, message } = thrown as { code?: unknown; name?: unknown; message?: unknown };
  for (const label of [code, name]) {
    const known = typeof label === "string" ? OS_ERRORS.get(label) : undefined;
    if (known !== undefined) return `${known.verb} ${path}: ${known.text}`;
  }
  return `open ${path}: ${typeof message === "string" && message !== "" ? message : String(thrown)}`;
}

const OS_ERRORS = new Map<string, { verb: string; text: string }>([
  ["ENOENT", { verb: "open", text: "no such file or directory" }],
  ["NotFound", { verb: "open", text: "no such file or directory" }],
  ["EACCES", { verb: "open", text: "permission denied" }],
  ["PermissionDenied", { verb: "open", text: "permission denied" }],
  ["EISDIR", { verb: "read", text: "is a directory" }],
  ["IsADirectory", { verb: "read", text: "is a directory" }],
  ["ENOTDIR", { verb: "open", text: "not a directory" }],
  ["NotADirectory", { verb: "open", text: "not a directory" }],
  ["ELOOP", { verb: "open", text: "too many levels of symbolic links" }],
  ["EMFILE", { verb: "open", text: "too many open files" }],
]);
