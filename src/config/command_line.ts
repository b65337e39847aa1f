/** From the arguments of a process to what it is to do (spec cli-config-monitoring, section 1). */
import {
  applyClusterFlag,
  applyLastFlags,
  applyNatsFlags,
  applyOverridableFlags,
  applyPlainFlags,
} from "./apply_flags.ts";
import { bindNats } from "./bind_nats.ts";
import { bindStreaming } from "./bind_streaming.ts";
import { checkBeforeLogging } from "./check_start.ts";
import { defaultOptions } from "./defaults.ts";
import { effectiveOptions } from "./effective.ts";
import { ConfigError } from "./errors.ts";
import { givenValue, type ParsedFlags, parseFlags } from "./flags.ts";
import type { Options } from "./options.ts";
import { type ConfigIo, parseFile } from "./parser.ts";
import { parseSignalRequest, type SignalRequest } from "./signal_request.ts";
import type { ConfigMap } from "./tree.ts";
import { tlsUsage, usage } from "./usage.ts";
import { quoted } from "./values.ts";
import { VERSION_LINE } from "./version.ts";

/** What a command line asks for. */
export type CommandLineResult = RunRequest | ExitRequest | ({ readonly kind: "signal" } & SignalRequest);

/** Run the server. */
export interface RunRequest {
  readonly kind: "run";
  readonly options: Options;
  /** To be logged as warnings, e.g. about keys that mean nothing. */
  readonly warnings: readonly string[];
  /** To be printed on stderr as it is before the start; often empty. */
  readonly stderr: string;
}

/** Print and end. */
export interface ExitRequest {
  readonly kind: "exit";
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Reads a command line with its files. Never throws: every mistake is a result with the exact texts and exit code. */
export function parseCommandLine(args: readonly string[], io: ConfigIo): CommandLineResult {
  const flags = parseFlags(args);
  if ("mistake" in flags) return { kind: "exit", code: 0, stdout: usage(), stderr: `${flags.mistake}\n` };
  const answer = answerRequests(flags);
  if (answer !== undefined) return answer;
  const gathered: Gathered = { options: defaultOptions(), warnings: [], stderr: "" };
  const refuse = (code: number, stdout: string, stderr: string): ExitRequest => ({
    kind: "exit",
    code,
    stdout,
    stderr: gathered.stderr + stderr,
  });
  try {
    const signal = givenValue(flags, "flag.signal");
    if (typeof signal === "string" && signal !== "") return { kind: "signal", ...parseSignalRequest(signal, io) };
    gatherOptions(flags, io, gathered);
    const options = effectiveOptions(gathered.options, io.env);
    const refusal = checkBeforeLogging(options);
    if (refusal !== undefined) return refuse(1, `${refusal}\n`, "");
    return { kind: "run", options, warnings: gathered.warnings, stderr: gathered.stderr };
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause;
    return refuse(1, "", `${cause.message}\n`);
  }
}

/** Requests for information, and what is no flag. */
function answerRequests(flags: ParsedFlags): ExitRequest | undefined {
  const print = (stdout: string): ExitRequest => ({ kind: "exit", code: 0, stdout, stderr: "" });
  if (givenValue(flags, "flag.version") === true) return print(`${VERSION_LINE}\n`);
  if (givenValue(flags, "flag.help") === true) return print(usage());
  if (givenValue(flags, "flag.help_tls") === true) return print(tlsUsage());
  const [word] = flags.rest;
  if (word === undefined) return undefined;
  if (word.toLowerCase() === "version") return print(`${VERSION_LINE}\n`);
  if (word.toLowerCase() === "help") return print(usage());
  return { kind: "exit", code: 1, stdout: "", stderr: `unrecognized command: ${quoted(word)}\n` };
}

/** What files and flags say, before anything is filled in; grows while they are read. */
export interface Gathered {
  readonly options: Options;
  readonly warnings: string[];
  /** Warnings of the NATS part. */
  stderr: string;
  /** Warnings are never fatal: for a reload. */
  readonly lenient?: boolean;
}

/** Applies files and flags in the order of spec cli-config-monitoring, section 1.2. Throws {@link ConfigError}. */
export function gatherOptions(flags: ParsedFlags, io: ConfigIo, into: Gathered): void {
  const { options } = into;
  applyPlainFlags(options, flags);
  const { configFile, streamingConfigFile, strict } = options.process;
  if (strict && configFile === "") {
    throw new ConfigError("must specify [-c, --config] option to check configuration file syntax");
  }
  let tree: ConfigMap | undefined;
  if (configFile !== "") {
    tree = parseFile(configFile, io);
    readNatsPart(tree, into, configFile, strict, io);
    applyPlainFlags(options, flags);
  }
  applyNatsFlags(options, flags, io);
  applyOverridableFlags(options, flags);
  if (streamingConfigFile !== "") tree = readStreamingFile(into, io);
  if (tree !== undefined) bindStreaming(tree, options, into.warnings);
  applyPlainFlags(options, flags);
  applyClusterFlag(options, flags);
  applyLastFlags(options, flags, io);
}

/** Binds the NATS part. Throws when there are errors, or warnings that count as such. */
function readNatsPart(tree: ConfigMap, into: Gathered, file: string, strict: boolean, io: ConfigIo): void {
  const problems = bindNats(tree, into.options, file, io);
  const fatalWarnings = strict && into.lenient !== true && problems.warnings.length > 0;
  if (problems.errors.length > 0 || fatalWarnings) throw new ConfigError(problems.text());
  into.stderr += problems.text();
}

/** `-sc`; alone it is read for the NATS part too, strictly. */
function readStreamingFile(into: Gathered, io: ConfigIo): ConfigMap {
  const { configFile, streamingConfigFile } = into.options.process;
  if (configFile !== "") return parseFile(streamingConfigFile, io, "error opening config file: ");
  const tree = parseFile(streamingConfigFile, io);
  readNatsPart(tree, into, streamingConfigFile, true, io);
  return tree;
}
