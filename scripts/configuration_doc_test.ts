/** The generated documentation is up to date and names every flag and every key. */
import assert from "node:assert/strict";
import { OPTION_ROWS } from "../src/config/option_rows.ts";
import { configurationDoc, configurationDocComplaints, configurationDocPath } from "./configuration_doc.ts";

Deno.test("docs/configuration.md is what the option rows say", () => {
  const text = Deno.readTextFileSync(new URL(`../${configurationDocPath}`, import.meta.url));
  assert.deepEqual(configurationDocComplaints(text), []);
});

Deno.test("a document that differs is complained about with the remedy", () => {
  const [complaint, ...others] = configurationDocComplaints(`${configurationDoc()} `);
  assert.match(complaint ?? "", /not up to date; run: deno run -A scripts\/configuration_doc\.ts$/);
  assert.deepEqual(others, []);
});

Deno.test("every row of the options stands in the document once, with its flags and keys", () => {
  const lines = configurationDoc().split("\n").filter((line) => /^\| [`–]/.test(line));
  assert.equal(lines.length, OPTION_ROWS.length);
  for (const row of OPTION_ROWS) {
    const flags = (row.flags ?? []).map((flag) => `\`-${flag}\``).join(", ");
    const keys = (row.keys ?? []).map((key) => `\`${key}\``).join(", ");
    const start = `| ${flags || "–"} | ${keys || "–"} |`;
    assert.ok(lines.some((line) => line.startsWith(start) && line.includes(row.help.replaceAll("|", "\\|"))), start);
  }
});
