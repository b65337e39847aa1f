/** Input that nobody sends by mistake, for fuzz tests: JSON of odd shapes, and frames with a payload whose sizes may lie. */
import fc from "fast-check";

/** Values that parsers and those who print them stumble over. JSON texts. */
const odd: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    "null",
    "true",
    "0",
    "-1",
    "1e999",
    "1.5",
    '""',
    "[]",
    "{}",
    '"\\u0000\\r\\n"',
    '"\\ud800"',
    "[null]",
  ),
  fc.constantFrom(10, 1_500, 60_000).map((depth) => "[".repeat(depth) + "]".repeat(depth)),
  fc.constantFrom(10, 600, 20_000).map((depth) => '{"a":'.repeat(depth) + "0" + "}".repeat(depth)),
  fc.constantFrom(10, 3_000, 200_000).map((length) => JSON.stringify("x".repeat(length))),
  fc.constantFrom(3, 500).map((count) => JSON.stringify(Array.from({ length: count }, (_, i) => `10.0.0.${i}:4222`))),
  fc.json({ maxDepth: 3 }),
);

/** A JSON object in which some of `keys` have odd values, at times cut short. */
export function hostileObject(keys: readonly string[]): fc.Arbitrary<string> {
  const key = fc.oneof(fc.constantFrom(...keys), fc.constantFrom("__proto__", "constructor", "toString", ""));
  return fc.tuple(fc.array(fc.tuple(key, odd), { maxLength: 4 }), fc.constantFrom(0, 0, 0, 0, 1, 3)).map(
    ([pairs, cut]) => {
      const text = `{${pairs.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(",")}}`;
      return text.slice(0, text.length - cut);
    },
  );
}

const size = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(0, 1, 2, 12, 14, 100) },
  { weight: 1, arbitrary: fc.constantFrom(1_048_576, 1_048_577, 999_999_999) },
);
const spelled = (count: number) =>
  fc.constantFrom(String(count), `00${count}`, `${count} `, `+${count}`, `${count}x`, "");

/** A frame of these `words` and a payload; the sizes may be announced too small, too large, or as no numbers. */
export function framed(words: fc.Arbitrary<string>, withHeader: boolean): fc.Arbitrary<string> {
  return fc.tuple(words, size, size, fc.nat(9), fc.boolean()).chain(([start, header, body, honest, complete]) => {
    const sizes = withHeader ? [header, header + body] : [body];
    const texts = honest > 0 ? fc.constant(sizes.map(String)) : fc.tuple(...sizes.map(spelled));
    const total = Math.min(sizes.at(-1)!, 5_000);
    const payload = "NATS/1.0\r\n\r\n".padEnd(total, "y").slice(0, total);
    return texts.map((list) => `${start} ${list.join(" ")}\r\n${payload}${complete ? "\r\n" : ""}`);
  });
}
