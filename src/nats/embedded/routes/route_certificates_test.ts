import assert from "node:assert/strict";
import { certificateAdmits } from "./route_certificates.ts";
import { parseRouteUrl } from "./route_urls.ts";

const urls = ["nats-route://one.example:1", "nats-route://a.two.example:2", "nats-route://10.0.0.1:3"].map(
  parseRouteUrl,
);
const named = (dnsNames: string[], subject = "CN=x") => ({
  subject,
  dnsNames,
  emails: ["m@x"],
  uris: ["urn:x"],
  keyDigest: "",
});

Deno.test("certificateAdmits: known URLs are those of the configured routes", () => {
  const admits = (...names: string[]) => certificateAdmits(named(names), { knownUrlsOnly: true }, { urls, user: "x" });
  assert.equal(admits("one.example"), true);
  assert.equal(admits("other", "ONE.example"), true);
  assert.equal(admits("*.two.example"), true);
  for (const name of ["*.example.com", "two.example", "*.a.two.example", "a.*.example", "x"]) {
    assert.equal(admits(name), false, name);
  }
  assert.equal(certificateAdmits(undefined, { knownUrlsOnly: true }, { urls, user: undefined }), false);
});

Deno.test("certificateAdmits: a mapped certificate names the routes' user by any of its names", () => {
  const admits = (user: string | undefined) =>
    certificateAdmits(named(["d"], "CN=r,O=x"), { verifyAndMap: true }, { urls, user });
  for (const user of ["d", "m@x", "urn:x", "O=x,CN=r"]) assert.equal(admits(user), true, user);
  for (const user of ["CN=r", "other", undefined]) assert.equal(admits(user), false, user);
});
