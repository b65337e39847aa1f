import assert from "node:assert/strict";
import fc from "fast-check";
import { serverChoice } from "./server_hello.ts";

/** A ServerHello with a session id of 32 bytes, in a record of its own; the version as an extension where one is given. */
function hello(suite: number, versionNow?: number): Uint8Array {
  const bytes = (value: number) => [value >> 8, value & 255];
  const extension = versionNow === undefined ? [] : [0, 43, 0, 2, ...bytes(versionNow)];
  // Another extension comes first: renegotiation_info.
  const extensions = [0xff, 0x01, 0, 1, 0, ...extension];
  const body = [
    ...bytes(0x0303),
    ...new Array<number>(32).fill(7),
    32,
    ...new Array<number>(32).fill(9),
    ...bytes(suite),
    0,
    ...bytes(extensions.length),
    ...extensions,
  ];
  const message = [2, 0, ...bytes(body.length), ...body];
  return Uint8Array.from([22, 3, 3, ...bytes(message.length), ...message]);
}

Deno.test("serverChoice() finds version and suite of either version, with more behind the record", () => {
  const more = (bytes: Uint8Array) => Uint8Array.from([...bytes, 20, 3, 3, 0, 1, 1]);
  assert.deepEqual(serverChoice(more(hello(0x1302, 0x0304))), {
    version: "TLSv1.3",
    cipher: "TLS_AES_256_GCM_SHA384",
  });
  assert.deepEqual(serverChoice(hello(0xc02f)), {
    version: "TLSv1.2",
    cipher: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
  });
});

Deno.test("serverChoice() waits for the whole record, and names nothing that it does not know", () => {
  const whole = hello(0x1301, 0x0304);
  for (let length = 0; length < whole.length; length++) {
    assert.equal(serverChoice(whole.subarray(0, length)), undefined, String(length));
  }
  const nothing = { version: "", cipher: "" };
  assert.deepEqual(serverChoice(hello(0x1234, 0x0999)), nothing);
  assert.deepEqual(serverChoice(Uint8Array.of(21)), nothing, "an alert");
  assert.deepEqual(serverChoice(Uint8Array.of(22, 3, 3, 0, 1, 1)), nothing, "another message");
});

Deno.test("serverChoice() takes any bytes", () => {
  const record = fc.uint8Array({ maxLength: 120 }).map((body) =>
    Uint8Array.from([22, 3, 3, 0, body.length, 2, ...body.subarray(1)])
  );
  fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), record), (bytes) => {
    const choice = serverChoice(bytes);
    assert.ok(choice === undefined || typeof choice.cipher === "string");
  }));
});
