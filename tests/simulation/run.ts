/**
 * Runs simulated worlds: `deno task sim` lives through many seeds, `--seed N` through one and prints what happened.
 *
 *     --seeds N     how many seeds (1,000)
 *     --from N      the first of them (1)
 *     --seed N      only this one, with its trace
 *     --world NAME  only this world (all)
 *     --minutes N   stop after so long
 */
import { parseArgs } from "node:util";
import { raftSimulation } from "./raft_world.ts";
import { serverSimulation } from "./servers/server_world.ts";
import type { Simulation, SimulationResult } from "./simulation.ts";

/** The worlds there are. */
const SIMULATIONS: readonly Simulation[] = [raftSimulation, serverSimulation];

const FAILURES_SHOWN = 10;

function numberFrom(name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  console.error(`--${name} ${text}: a whole number is needed`);
  Deno.exit(2);
}

async function replay(simulation: Simulation, seed: number): Promise<boolean> {
  const result = await simulation.run(seed, { trace: true });
  for (const line of result.trace) console.log(line);
  report(simulation, result);
  return result.failure === undefined;
}

function report(simulation: Simulation, { seed, events, failure }: SimulationResult): void {
  const how = failure === undefined ? "sound" : failure.name === "Violation" ? failure.message : failure.stack;
  console.log(`${simulation.name} seed ${seed}: ${events} events, ${how}`);
}

async function runMany(simulation: Simulation, from: number, count: number, minutes: number): Promise<boolean> {
  const start = performance.now();
  let events = 0;
  let failures = 0;
  let seed = from;
  for (; seed < from + count && performance.now() - start < minutes * 60_000; seed++) {
    const result = await simulation.run(seed, { trace: false });
    events += result.events;
    if (result.failure === undefined) continue;
    failures++;
    if (failures <= FAILURES_SHOWN) report(simulation, result);
  }
  const seconds = (performance.now() - start) / 1_000;
  console.log(
    `${simulation.name}: ${seed - from} seeds, ${events} events, ${failures} failed, ${seconds.toFixed(1)} s` +
      (failures > 0 ? "; replay one with --seed N" : ""),
  );
  return failures === 0;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      seeds: { type: "string" },
      from: { type: "string" },
      world: { type: "string" },
      minutes: { type: "string" },
    },
  });
  const chosen = SIMULATIONS.filter((each) => values.world === undefined || each.name === values.world);
  if (chosen.length === 0) {
    console.error(`--world ${values.world}: there are ${SIMULATIONS.map((each) => each.name).join(", ")}`);
    Deno.exit(2);
  }
  let sound = true;
  for (const simulation of chosen) {
    const one = values.seed === undefined
      ? await runMany(
        simulation,
        numberFrom("from", values.from, 1),
        numberFrom("seeds", values.seeds, 1_000),
        numberFrom("minutes", values.minutes, 60),
      )
      : await replay(simulation, numberFrom("seed", values.seed, 1));
    sound &&= one;
  }
  if (!sound) Deno.exit(1);
}

await main();
