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
  try {
    const signal = givenValue(flags, "flag.signal");
    if (typeof signal === "string" && signal !== "") return { kind: "signal", ...parseSignalRequest(signal, io) };
    const gathered = gatherOptions(flags, io);
    const options = effectiveOptions(gathered.options, io.env);
    const refusal = checkBeforeLogging(options);
    if (refusal !== undefined) return { kind: "exit", code: 1, stdout: `${refusal}\n`, stderr: gathered.stderr };
    return { kind: "run", options, warnings: gathered.warnings, stderr: gathered.stderr };
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause;
    return { kind: "exit", code: 1, stdout: "", stderr: `${cause.message}\n` };
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

/** Options as flags and files say, before anything is filled in. */
export interface GatheredOptions {
  readonly options: Options;
  readonly warnings: string[];
  /** Warnings of the NATS part, for stderr. */
  readonly stderr: string;
}

/** Applies files and flags in the order of spec cli-config-monitoring, section 1.2. Throws {@link ConfigError}. */
export function gatherOptions(flags: ParsedFlags, io: ConfigIo): GatheredOptions {
  const options = defaultOptions();
  const warnings: string[] = [];
  applyPlainFlags(options, flags);
  const { configFile, streamingConfigFile, strict } = options.process;
  if (strict && configFile === "") {
    throw new ConfigError("must specify [-c, --config] option to check configuration file syntax");
  }
  let stderr = "";
  let tree: ConfigMap | undefined;
  if (configFile !== "") {
    tree = parseFile(configFile, io);
    stderr = readNatsPart(tree, options, configFile, strict, io);
    applyPlainFlags(options, flags);
  }
  applyNatsFlags(options, flags, io);
  applyOverridableFlags(options, flags);
  if (streamingConfigFile !== "") tree = readStreamingFile(options, io);
  if (tree !== undefined) bindStreaming(tree, options, warnings);
  applyPlainFlags(options, flags);
  applyClusterFlag(options, flags);
  applyLastFlags(options, flags, io);
  return { options, warnings, stderr };
}

/** Binds the NATS part; answers its warnings. Throws when there are errors, or warnings that count as such. */
function readNatsPart(tree: ConfigMap, options: Options, file: string, strict: boolean, io: ConfigIo): string {
  const problems = bindNats(tree, options, file, io);
  if (problems.errors.length > 0 || (strict && problems.warnings.length > 0)) throw new ConfigError(problems.text());
  return problems.text();
}

/** `-sc`; alone it is read for the NATS part too, strictly. */
function readStreamingFile(options: Options, io: ConfigIo): ConfigMap {
  const { configFile, streamingConfigFile } = options.process;
  if (configFile !== "") return parseFile(streamingConfigFile, io, "error opening config file: ");
  const tree = parseFile(streamingConfigFile, io);
  readNatsPart(tree, options, streamingConfigFile, true, io);
  return tree;
}
