import { liveThrough } from "./living.ts";

Deno.test("worlds of servers 1 to 250 keep every invariant under faults, and recover", async () => {
  await liveThrough(1, 250);
});
