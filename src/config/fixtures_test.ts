/**
 * Every configuration fixture gives the options, or the error and exit code, that the reference server gave. The few
 * places where this server does better are named with their reason.
 */
import assert from "node:assert/strict";
import { fixtureView } from "../../tests/support/config_view.ts";
import { checkFiles } from "./check_files.ts";
import { checkStart } from "./check_start.ts";
import { gatherOptions, parseCommandLine } from "./command_line.ts";
import { defaultOptions } from "./defaults.ts";
import { parseFlags } from "./flags.ts";
import type { ConfigIo } from "./parser.ts";

const folder = new URL("../../tests/golden/config/", import.meta.url);

interface Run {
  readonly args: readonly string[];
  readonly env?: Record<string, string>;
  readonly outcome: "config_error" | "usage_error" | "crash" | "start_error" | "started" | "running";
  readonly parsed?: Record<string, unknown>;
  readonly exit_code?: number;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly log?: readonly string[];
}

/** Errors that say better what is wrong than the reference does; the exit code is 1 for all. */
const clearerErrors = new Map<string, string>([
  // The reference stores the map around it under such a key.
  [
    "bad-empty-value-in-map",
    "Parse error on line 3: 'Expected a value for the key \"id\", but got '}' instead.'\n",
  ],
  [
    "bad-size-suffix",
    "Parse error on line 3: 'Unknown size suffix in 10kbb; use k, m, g, t, p or e (powers of 1000), or kb, mb and so on " +
    "(powers of 1024)'\n",
  ],
  // The reference crashes.
  ["bad-peers-int", 'parameter "peers" value is expected to be string, got int64\n'],
]);

/** Starts that the reference refuses for reasons outside of the options, or that need not fail here. */
const laterErrors = new Map<string, string>([
  ["sql-options", "the database is dialled"],
  ["nats-cluster-implies-clustering", "a NATS cluster block does not switch clustering on"],
]);

function ioOf(run: Run): ConfigIo {
  return { read: (path) => Deno.readTextFileSync(new URL(path, folder)), env: (name) => run.env?.[name] };
}

const names = [...Deno.readDirSync(folder)].map((entry) => entry.name).filter((name) => name.endsWith(".expected.json"))
  .sort();
const defaults = JSON.parse(Deno.readTextFileSync(new URL("_defaults.json", folder)));

Deno.test("all 89 fixtures are here", () => {
  assert.equal(names.length, 89);
});

Deno.test("without flags and files the options are the recorded defaults", () => {
  assert.deepEqual(fixtureView(defaultOptions()), defaults);
});

for (const file of names) {
  const name = file.replace(".expected.json", "");
  const { runs } = JSON.parse(Deno.readTextFileSync(new URL(file, folder))) as { runs: readonly Run[] };
  for (const run of runs) {
    const environment = Object.keys(run.env ?? {}).map((variable) => `${variable}=… `).join("");
    Deno.test(`fixture ${name}: ${environment}${run.args.join(" ")}`, () => checkRun(name, run));
  }
}

function checkRun(name: string, run: Run): void {
  if (run.parsed !== undefined) checkOptions(name, run, run.parsed);
  const result = parseCommandLine(run.args, ioOf(run));
  if (run.outcome === "config_error" || run.outcome === "crash") {
    const stderr = clearerErrors.get(name) ?? run.stderr;
    assert.deepEqual(result, { kind: "exit", code: 1, stdout: "", stderr });
    return;
  }
  if (run.outcome === "start_error" && run.stdout !== "") {
    assert.deepEqual(result, { kind: "exit", code: 1, stdout: run.stdout, stderr: "" });
    return;
  }
  assert.equal(result.kind, "run");
  if (result.kind !== "run") return;
  const line = (checkStart(result.options) ?? checkFiles(result.options, ioOf(run).read))?.line;
  const fatal = run.outcome === "start_error" && !laterErrors.has(name) ? run.log?.at(-1) : undefined;
  assert.equal(line === undefined ? undefined : `[FTL] ${line}`, fatal);
}

function checkOptions(name: string, run: Run, parsed: Record<string, unknown>): void {
  const flags = parseFlags(run.args);
  assert.ok("given" in flags);
  const gathered = { options: defaultOptions(), warnings: [], stderr: "" };
  gatherOptions(flags, ioOf(run), gathered);
  const expected = overlaid(defaults, parsed) as { streaming: { cluster: { clustered: boolean } } };
  if (name === "nats-cluster-implies-clustering") expected.streaming.cluster.clustered = false;
  assert.deepEqual(fixtureView(gathered.options), expected);
}

/** Maps are merged, except those of channel names; everything else is replaced. */
function overlaid(base: unknown, over: unknown): unknown {
  if (!isMap(base) || !isMap(over)) return over;
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) result[key] = overlaid(base[key], value);
  return result;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
