/** Reads a `tls` block of the NATS server (spec cli-config-monitoring, section 2.5). */
import { ConfigError, openErrorText } from "./errors.ts";
import type { NatsProblems } from "./nats_problems.ts";
import type { NatsTlsOptions } from "./nats_options.ts";
import { canonicalKey } from "./option_rows.ts";
import type { ConfigIo } from "./parser.ts";
import { ConfigMap, type Entry, natsKind, type Node } from "./tree.ts";
import { parseDuration } from "./values.ts";

/** Names of cipher suites that may be listed, as Go spells them. */
export const CIPHER_SUITES: readonly string[] = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
  "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
  "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
  "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
  "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
  "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
  "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
  "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
  "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
  "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
  "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
  "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
  "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
  "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
  "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
  "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
  "TLS_RSA_WITH_AES_128_CBC_SHA",
  "TLS_RSA_WITH_AES_128_CBC_SHA256",
  "TLS_RSA_WITH_AES_128_GCM_SHA256",
  "TLS_RSA_WITH_AES_256_CBC_SHA",
  "TLS_RSA_WITH_AES_256_GCM_SHA384",
  "TLS_RSA_WITH_RC4_128_SHA",
];

/** Names of curves that may be listed. */
export const CURVES: readonly string[] = ["CurveP256", "CurveP384", "CurveP521", "X25519"];

const AUTO_HANDSHAKE_WAIT = 50;

/** A `tls` block without anything in it. */
export function emptyTls(): NatsTlsOptions {
  return {
    certFile: "",
    keyFile: "",
    caFile: "",
    insecure: false,
    verify: false,
    verifyAndMap: false,
    verifyCertAndCheckKnownUrls: false,
    cipherSuites: [],
    curvePreferences: [],
    timeout: 0,
    connectionRateLimit: 0,
    pinnedCerts: [],
    handshakeFirst: false,
  };
}

/** Reads `entry`; only the first mistake is noted. `routes`: the block of the cluster. `undefined` after a mistake. */
export function readTls(
  entry: Entry,
  routes: boolean,
  problems: NatsProblems,
  io: ConfigIo,
): NatsTlsOptions | undefined {
  if (!(entry.value instanceof ConfigMap)) return problems.wrongType(entry, "map[string]interface {}");
  const tls = emptyTls();
  for (const setting of entry.value.entries.values()) {
    const fault = readSetting(tls, setting, routes);
    if (fault === undefined) continue;
    problems.error(fault.at, fault.text);
    return undefined;
  }
  const fault = checkTlsFiles(tls, io);
  if (fault !== undefined) {
    problems.error(entry, fault);
    return undefined;
  }
  return tls;
}

interface Fault {
  readonly at: Node;
  readonly text: string;
}

/** Fields by key for the plain settings. */
const FILES = new Map<string, "certFile" | "keyFile" | "caFile">([
  ["cert_file", "certFile"],
  ["key_file", "keyFile"],
  ["ca_file", "caFile"],
]);
const SWITCHES = new Map<string, "insecure" | "verify" | "verifyAndMap" | "verifyCertAndCheckKnownUrls">([
  ["insecure", "insecure"],
  ["verify", "verify"],
  ["verify_and_map", "verifyAndMap"],
  ["verify_cert_and_check_known_urls", "verifyCertAndCheckKnownUrls"],
]);

function readSetting(tls: NatsTlsOptions, entry: Entry, routes: boolean): Fault | undefined {
  const { value } = entry;
  const fault = (text: string): Fault => ({ at: entry, text: `error parsing tls config, ${text}` });
  const key = canonicalKey("nats.tls", entry.key) ?? "";
  const file = FILES.get(key);
  if (file !== undefined) {
    if (typeof value !== "string") return fault(`expected '${key}' to be filename`);
    tls[file] = value;
    return undefined;
  }
  const flag = SWITCHES.get(key);
  if (flag !== undefined) {
    if (typeof value !== "boolean") return fault(`expected '${key}' to be a boolean`);
    if (flag === "verifyCertAndCheckKnownUrls" && !routes) {
      return { at: entry, text: "verify_cert_and_check_known_urls not supported in this context" };
    }
    tls[flag] = value;
    if (flag === "verifyAndMap" && value) tls.verify = true;
    return undefined;
  }
  switch (key) {
    case "cipher_suites":
      return readNames(tls.cipherSuites, entry, CIPHER_SUITES, "cipher");
    case "curve_preferences":
      return readNames(tls.curvePreferences, entry, CURVES, "curve preference");
    case "timeout":
      return readTimeout(tls, entry, fault);
    case "connection_rate_limit":
      if (typeof value !== "bigint") return fault("'connection_rate_limit' wrong type");
      tls.connectionRateLimit = Number(value);
      return undefined;
    case "pinned_certs":
      return readPins(tls, entry, fault);
    case "handshake_first":
      return readHandshakeFirst(tls, entry, fault);
    default:
      return fault(`unknown field ["${entry.key}"]`);
  }
}

function readNames(into: string[], entry: Entry, known: readonly string[], what: string): Fault | undefined {
  if (!Array.isArray(entry.value)) {
    return { at: entry, text: `interface conversion: interface {} is ${natsKind(entry.value)}, not []interface {}` };
  }
  if (entry.value.length === 0) {
    return { at: entry, text: `error parsing tls config, '${entry.key.toLowerCase()}' cannot be empty` };
  }
  for (const element of entry.value) {
    if (typeof element.value !== "string") {
      return { at: element, text: `interface conversion: interface {} is ${natsKind(element.value)}, not string` };
    }
    if (!known.includes(element.value)) return { at: element, text: `unrecognized ${what} ${element.value}` };
    into.push(element.value);
  }
  return undefined;
}

function readTimeout(tls: NatsTlsOptions, { value }: Entry, fault: (text: string) => Fault): Fault | undefined {
  if (typeof value === "bigint" || typeof value === "number") {
    tls.timeout = Number(value);
    return undefined;
  }
  if (typeof value !== "string") return fault("'timeout' wrong type");
  try {
    tls.timeout = Number(parseDuration(value)) / 1e9;
    return undefined;
  } catch (cause) {
    return fault(`'timeout' ${(cause as ConfigError).message}`);
  }
}

function readPins(tls: NatsTlsOptions, entry: Entry, fault: (text: string) => Fault): Fault | undefined {
  const form = "hex-encoded sha256 of DER encoded SubjectPublicKeyInfo";
  if (!Array.isArray(entry.value)) return fault(`expected 'pinned_certs' to be a list of ${form}`);
  for (const element of entry.value) {
    if (typeof element.value !== "string") {
      return { at: element, text: `interface conversion: interface {} is ${natsKind(element.value)}, not string` };
    }
    if (!/^[0-9a-f]{64}$/i.test(element.value)) {
      return {
        at: element,
        text: `error parsing tls config, 'pinned_certs' key ${element.value} does not look like ${form}`,
      };
    }
    tls.pinnedCerts.push(element.value.toLowerCase());
  }
  return undefined;
}

function readHandshakeFirst(tls: NatsTlsOptions, { value }: Entry, fault: (text: string) => Fault): Fault | undefined {
  if (typeof value === "boolean") {
    tls.handshakeFirst = value;
    return undefined;
  }
  if (typeof value !== "string") return fault("'handshake_first' should be a boolean, \"auto\" or a duration");
  if (value.toLowerCase() === "auto") {
    tls.handshakeFirst = AUTO_HANDSHAKE_WAIT;
    return undefined;
  }
  try {
    tls.handshakeFirst = Number(parseDuration(value)) / 1e6;
    return undefined;
  } catch (cause) {
    return fault(`'handshake_first' ${(cause as ConfigError).message}`);
  }
}

/** What is wrong with the files of a TLS block, as far as their text shows it. */
export function checkTlsFiles(tls: NatsTlsOptions, io: ConfigIo): string | undefined {
  if (tls.certFile !== "" && tls.keyFile === "") return "missing 'key_file' in TLS configuration";
  if (tls.certFile === "" && tls.keyFile !== "") return "missing 'cert_file' in TLS configuration";
  const pair = "error parsing X509 certificate/key pair: ";
  try {
    if (tls.certFile !== "") {
      const certificate = readText(tls.certFile, io);
      const key = readText(tls.keyFile, io);
      if (!hasPem(certificate, /CERTIFICATE/)) return `${pair}tls: failed to find any PEM data in certificate input`;
      if (!hasPem(key, /PRIVATE KEY/)) return `${pair}tls: failed to find any PEM data in key input`;
    }
  } catch (cause) {
    return pair + (cause as Error).message;
  }
  if (tls.caFile === "") return undefined;
  try {
    if (!hasPem(readText(tls.caFile, io), /CERTIFICATE/)) return "failed to parse root ca certificate";
    return undefined;
  } catch (cause) {
    return (cause as Error).message;
  }
}

function readText(path: string, io: ConfigIo): string {
  try {
    return io.read(path);
  } catch (cause) {
    throw new ConfigError(openErrorText(path, cause), { cause });
  }
}

function hasPem(text: string, label: RegExp): boolean {
  return [...text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----/g)].some((match) => label.test(match[1] ?? ""));
}
