import assert from "node:assert/strict";
import { compareVersions } from "./runtime_version.ts";

Deno.test("compareVersions() compares numbers, not texts", () => {
  assert.ok(compareVersions("2.4.2", "2.9.0") < 0);
  assert.ok(compareVersions("2.10.0", "2.9.6") > 0);
  assert.ok(compareVersions("3.0.0-rc.1", "2.9.0") > 0);
  assert.equal(compareVersions("2.9.0", "2.9.0"), 0);
});
