import assert from "node:assert/strict";
import { distinguishedName, subjectNames } from "./certificate_names.ts";

Deno.test("distinguishedName() puts the most specific attribute first", () => {
  assert.equal(distinguishedName({ O: "Org", OU: ["one", "two"], CN: "client" }), "CN=client,OU=two,OU=one,O=Org");
});

Deno.test("distinguishedName() escapes what could look like another attribute", () => {
  assert.equal(distinguishedName({ CN: "a,CN=b+c" }), "CN=a\\,CN=b\\+c");
});

Deno.test("subjectNames() sorts the names by kind", () => {
  assert.deepEqual(subjectNames("DNS:localhost, IP Address:127.0.0.1, email:a@b.example, URI:urn:x:y, DNS:b"), {
    dnsNames: ["localhost", "b"],
    emails: ["a@b.example"],
    uris: ["urn:x:y"],
  });
});

Deno.test("subjectNames() does not split a quoted value", () => {
  assert.deepEqual(subjectNames('DNS:"evil\\u002c DNS:good", DNS:c').dnsNames, ["evil, DNS:good", "c"]);
});

Deno.test("subjectNames() of nothing is nothing", () => {
  assert.deepEqual(subjectNames(""), { dnsNames: [], emails: [], uris: [] });
});
