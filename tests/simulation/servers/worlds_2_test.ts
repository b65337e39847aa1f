import { liveThrough } from "./living.ts";

Deno.test("worlds of servers 251 to 500 keep every invariant under faults, and recover", async () => {
  await liveThrough(251, 250);
});
