import { liveThrough } from "./living.ts";

Deno.test("worlds of servers 751 to 1000 keep every invariant under faults, and recover", async () => {
  await liveThrough(751, 250);
});
