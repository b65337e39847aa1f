import assert from "node:assert/strict";
import { circleViolations } from "./check_circles.ts";

function complaints(files: Record<string, string>): string[] {
  return circleViolations(new Map(Object.entries(files)));
}

Deno.test("files of two folders that import each other are named, also through doors and in types only", () => {
  const found = complaints({
    "src/a/mod.ts": 'export { x } from "./x.ts";\n',
    "src/a/x.ts": 'import {\n  type Y,\n  y,\n} from "../b/mod.ts";\n',
    "src/b/mod.ts": 'export type { Y } from "./y.ts";\n',
    "src/b/y.ts": 'import type { X } from "../a/mod.ts";\n',
    "src/c.ts": 'import { x } from "./a/mod.ts";\n',
  });
  assert.equal(found.length, 1);
  assert.match(found[0]!, /^src\/a\/mod\.ts, src\/a\/x\.ts, src\/b\/mod\.ts, src\/b\/y\.ts import each other; /);
});

Deno.test("neither a circle inside one folder nor an import in a test nor two ways to one file is complained of", () => {
  assert.deepEqual(
    complaints({
      "src/a/x.ts": 'import type { Y } from "./y.ts";\nimport { z } from "../z.ts";\n',
      "src/a/y.ts": 'import { x } from "./x.ts";\nimport { z } from "../z.ts";\n',
      "src/z.ts": "export const z = 1;\n",
      "src/z_test.ts": 'import { x } from "./a/x.ts";\n',
    }),
    [],
  );
});
