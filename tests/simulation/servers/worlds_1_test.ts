import { liveThrough } from "./living.ts";

Deno.test("worlds of servers 1 to 100 keep every invariant under faults, and recover", async () => {
  await liveThrough(1, 100);
});
