import { liveThrough } from "./living.ts";

Deno.test("worlds of servers 501 to 750 keep every invariant under faults, and recover", async () => {
  await liveThrough(501, 250);
});
