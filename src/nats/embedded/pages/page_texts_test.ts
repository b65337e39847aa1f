import assert from "node:assert/strict";
import { jsonPage } from "../../../protocol/json_page.ts";
import { booleanParameter, pageParameters, readable, spanText, timeText } from "./page_texts.ts";

Deno.test("spans and times read as Go writes them", () => {
  const spans: [number, string][] = [
    [0.0005, "500ns"],
    [0.168, "168µs"],
    [0.0935, "93.5µs"],
    [1.027103, "1.027103ms"],
    [
      2_500,
      "2.5s",
    ],
  ];
  for (const [millis, text] of spans) assert.equal(spanText(millis), text);
  assert.equal(timeText(1_795_340_891_883_971_240n), "2026-11-22T09:48:11.88397124Z");
  assert.equal(timeText(1_795_340_891_000_000_000n), "2026-11-22T09:48:11Z");
});

Deno.test("pages escape what HTML would take for its own, and call back when asked", () => {
  assert.equal(jsonPage({ a: "<&>\u2028" }, null, "").body, '{"a":"\\u003c\\u0026\\u003e\\u2028"}');
  assert.equal(jsonPage([1], "f", "").body, "f([1])");
  assert.equal(readable("foo.\xc3\xa9"), "foo.é");
});

Deno.test("parameters have Go's spellings and defaults", () => {
  const query = (text: string) => new URLSearchParams(text);
  for (const yes of ["1", "t", "TRUE"]) assert.equal(booleanParameter(query(`subs=${yes}`), "subs"), true);
  for (const no of ["0", "F", "", "false"]) assert.equal(booleanParameter(query(`subs=${no}`), "subs"), false);
  assert.throws(() => booleanParameter(query("subs=yes"), "subs"), /parsing "yes": invalid syntax/);
  assert.deepEqual(pageParameters(query("")), { offset: 0, limit: 1_024 });
  assert.deepEqual(pageParameters(query("offset=-1&limit=0")), { offset: 0, limit: 1_024 });
  assert.deepEqual(pageParameters(query("offset=3&limit=7")), { offset: 3, limit: 7 });
});
