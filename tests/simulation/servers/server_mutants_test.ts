import assert from "node:assert/strict";
import { mutateServers, SERVER_MUTANTS, type ServerMutant } from "./server_mutants.ts";
import { liveServerWorld } from "./server_world.ts";

/** A planted bug has to show within so many worlds. */
const SEEDS = 80;

/** What is said of the first world in which something is wrong. */
async function firstFailure(mutant: ServerMutant): Promise<string | undefined> {
  const { code, remove } = await mutateServers(mutant);
  try {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { failure } = await liveServerWorld({ seed, code, favourites: mutant.favourites, ...mutant.world });
      if (failure !== undefined) return failure.message;
    }
    return undefined;
  } finally {
    await remove();
  }
}

for (const mutant of SERVER_MUTANTS) {
  Deno.test(`a server that ${mutant.bug} is caught`, async () => {
    assert.match(await firstFailure(mutant) ?? `not caught in ${SEEDS} worlds`, mutant.caughtBy);
  });
}
