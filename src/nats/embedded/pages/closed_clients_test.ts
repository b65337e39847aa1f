import assert from "node:assert/strict";
import { ClosedClients } from "./closed_clients.ts";
import type { ConnectionView } from "./connection_view.ts";

Deno.test("ClosedClients keeps the latest ones, and counts all", () => {
  const closed = new ClosedClients();
  const kept = () => closed.list().map(({ id }) => id).sort((a, b) => a - b);
  for (let id = 1; id <= 25; id++) closed.add({ id } as ConnectionView, 10);
  assert.deepEqual(kept(), [16, 17, 18, 19, 20, 21, 22, 23, 24, 25]);
  assert.equal(closed.total, 25);
  const none = new ClosedClients();
  none.add({ id: 1 } as ConnectionView, 0);
  assert.deepEqual([none.list(), none.total], [[], 1]);
});
