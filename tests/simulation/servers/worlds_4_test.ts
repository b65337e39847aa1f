import { liveThrough } from "./living.ts";

Deno.test("worlds of servers 301 to 400 keep every invariant under faults, and recover", async () => {
  await liveThrough(301, 100);
});
