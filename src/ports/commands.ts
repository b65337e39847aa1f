/** Other programs. */

/** How a program ended. */
export interface CommandResult {
  /** What it wrote to standard output and standard error. */
  readonly output: string;
  /** Why it failed, e.g. `exit status 1`; `undefined` when it did not. */
  readonly error: string | undefined;
}

export interface Commands {
  /** Runs a program with these arguments and waits for its end. Never rejects. */
  run(program: string, args: readonly string[]): Promise<CommandResult>;
}
