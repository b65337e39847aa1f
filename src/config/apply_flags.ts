/** Puts flags into the options: those that are simply stored, and those with more to do (spec cli-config-monitoring, section 1.2). */
import { parseNatsUrl, splitHostPort } from "./addresses.ts";
import { ConfigError } from "./errors.ts";
import { type FlagValue, givenValue, type ParsedFlags } from "./flags.ts";
import { checkTlsFiles, emptyTls } from "./nats_tls.ts";
import { routeFault } from "./nats_cluster.ts";
import { setField } from "./option_row.ts";
import type { Options } from "./options.ts";
import { type ConfigIo, parseText } from "./parser.ts";

/** Settings that are applied at a step of their own. */
const OWN_STEP = ["streaming.encryptionKey", "streaming.cluster.peers", "streaming.cluster.forceMembers"];

/** Every flag that is simply stored. Done again after each file, so that it wins. */
export function applyPlainFlags(options: Options, flags: ParsedFlags): void {
  for (const flag of flags.given) {
    const { field, kind } = flag.row;
    if (field === undefined || kind === "size" || OWN_STEP.includes(field)) continue;
    setField(options, field, stored(flag));
  }
}

function stored({ row, value }: FlagValue): unknown {
  switch (row.kind) {
    case "int":
      return Number(value);
    case "duration":
      return Number(value) / 1e6;
    case "special":
      return String(value).toUpperCase();
    default:
      return value;
  }
}

/** The combined NATS logging flags, routing and TLS. Throws {@link ConfigError}. */
export function applyNatsFlags(options: Options, flags: ParsedFlags, io: ConfigIo): void {
  const { nats } = options;
  const debugTrace = givenValue(flags, "flag.DV");
  const debugVerbose = givenValue(flags, "flag.DVV");
  if (typeof debugTrace === "boolean") nats.debug = nats.trace = debugTrace;
  if (typeof debugVerbose === "boolean") nats.debug = nats.trace = nats.traceVerbose = debugVerbose;
  if (nats.traceVerbose) nats.trace = true;
  applyClusterFlag(options, flags);
  applyRoutesFlag(options, flags);
  applyTlsFlags(options, flags, io);
}

/** `-cluster`: where to listen for routes, and what these must present. */
export function applyClusterFlag(options: Options, flags: ParsedFlags): void {
  const text = givenValue(flags, "nats.cluster.listenFlag");
  if (typeof text !== "string") return;
  const { cluster } = options.nats;
  if (text === "") {
    cluster.host = "";
    cluster.port = 0;
    return;
  }
  const url = parseNatsUrl(text);
  const { host, port } = splitHostPort(url.address);
  if (url.hasUser && url.password === undefined) throw new ConfigError("expected cluster password to be set");
  cluster.host = host;
  cluster.port = Number(port);
  cluster.user = url.user;
  cluster.password = url.password ?? "";
}

function applyRoutesFlag(options: Options, flags: ParsedFlags): void {
  const text = givenValue(flags, "nats.routesFlag");
  if (typeof text !== "string") return;
  const { nats } = options;
  const routes = text === "" ? [] : text.split(",").map((route) => route.trim());
  for (const route of routes) {
    const fault = routeFault(route);
    if (fault !== undefined) throw new ConfigError(fault);
  }
  nats.routes = routes;
  if (routes.length > 0 && nats.cluster.port === 0) {
    throw new ConfigError("solicited routes require cluster capabilities, e.g. --cluster");
  }
}

/** Any flag whose name begins with `tls` asks for server TLS, those of our own client certificate too. */
function applyTlsFlags(options: Options, flags: ParsedFlags, io: ConfigIo): void {
  if (!flags.given.some((flag) => flag.name.startsWith("tls"))) return;
  if (givenValue(flags, "flag.tls") === false) {
    options.nats.tls = undefined;
    return;
  }
  const text = (name: string) => String(givenValue(flags, `flag.${name}`) ?? "");
  const tls = { ...emptyTls(), certFile: text("tlscert"), keyFile: text("tlskey"), caFile: text("tlscacert") };
  if (tls.certFile === "") throw new ConfigError("TLS Server certificate must be present and valid");
  if (tls.keyFile === "") throw new ConfigError("TLS Server private key must be present and valid");
  tls.verify = givenValue(flags, "flag.tlsverify") === true;
  const fault = checkTlsFiles(tls, io);
  if (fault !== undefined) throw new ConfigError(fault);
  options.nats.tls = tls;
}

/** `-cluster_peers` and `-encryption_key`, which the file may still override. */
export function applyOverridableFlags(options: Options, flags: ParsedFlags): void {
  const { streaming } = options;
  const peers = givenValue(flags, "streaming.cluster.peers");
  if (typeof peers === "string" && peers !== "") {
    streaming.cluster.peers = peers.split(",").map((peer) => peer.trim())
      .filter((peer) => peer !== streaming.cluster.nodeId);
  }
  const left = givenValue(flags, "streaming.cluster.forceMembers");
  if (typeof left === "string" && left !== "") {
    streaming.cluster.forceMembers = left.split(",").map((name) => name.trim());
  }
  const key = givenValue(flags, "streaming.encryptionKey");
  if (typeof key === "string" && key !== "") {
    streaming.encryptionKey = key;
    streaming.encrypt = true;
  }
}

/** `-SDV`, and sizes in alphabetical order of their flags. Throws {@link ConfigError}. */
export function applyLastFlags(options: Options, flags: ParsedFlags, io: ConfigIo): void {
  const { streaming } = options;
  const debugTrace = givenValue(flags, "flag.SDV");
  if (typeof debugTrace === "boolean") streaming.debug = streaming.trace = debugTrace;
  const sizes = flags.given.filter((flag) => flag.row.kind === "size");
  for (const flag of sizes.toSorted((left, right) => left.name < right.name ? -1 : 1)) {
    if (flag.row.field !== undefined) setField(options, flag.row.field, sizeOf(flag, io));
  }
}

/** The text of a size is a value of the configuration language. */
function sizeOf({ name, value }: FlagValue, io: ConfigIo): number {
  const tree = parseText(`${name}=${String(value)}`, "", io);
  const size = tree.entries.get(name)?.value;
  if (typeof size !== "bigint") throw new ConfigError(`${name} should be a size, got '${String(value)}'`);
  return Number(size);
}
