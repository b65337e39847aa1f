import { liveThrough } from "./living.ts";

Deno.test("worlds of servers 101 to 200 keep every invariant under faults, and recover", async () => {
  await liveThrough(101, 100);
});
