/** What every simulated world offers to its runner, whatever is simulated in it. */

/** An invariant was broken. */
export class Violation extends Error {
  override readonly name = "Violation";
  constructor(readonly invariant: string, message: string) {
    super(`${invariant}: ${message}`);
  }
}

export interface SimulationResult {
  readonly seed: number;
  /** How many things happened. */
  readonly events: number;
  /** Equal for equal runs (I20). */
  readonly digest: number;
  /** What went wrong; an error that is no {@link Violation} is an assertion of the code under test. */
  readonly failure: Error | undefined;
  /** What happened, one line each; empty unless asked for. */
  readonly trace: readonly string[];
}

export interface Simulation {
  readonly name: string;
  /** Lives through the world that `seed` makes. */
  run(seed: number, options: { readonly trace: boolean }): SimulationResult | Promise<SimulationResult>;
}
