import { liveThrough } from "./living.ts";

Deno.test("worlds of servers 201 to 300 keep every invariant under faults, and recover", async () => {
  await liveThrough(201, 100);
});
