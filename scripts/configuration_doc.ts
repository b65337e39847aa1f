/** Writes docs/configuration.md from the option rows. Usage: `deno run -A scripts/configuration_doc.ts`. */
import { defaultOptions } from "../src/config/defaults.ts";
import { NATS_FILLED_IN } from "../src/config/effective.ts";
import { getField, type KeyGroup, type OptionRow, type ValueKind } from "../src/config/option_row.ts";
import { OPTION_ROWS } from "../src/config/option_rows.ts";
import { natsRows } from "../src/config/rows_nats.ts";
import { processRows } from "../src/config/rows_process.ts";
import { streamingRows } from "../src/config/rows_streaming.ts";
import { UNSUPPORTED_NATS_KEYS } from "../src/config/rows_nats_blocks.ts";
import { durationText, millisText } from "../src/config/values.ts";

export const configurationDocPath = "docs/configuration.md";

const introduction = `# Configuration

<!-- Made by scripts/configuration_doc.ts from the option rows in src/config; change those and run it again. -->

Everything can be set by flags, most of it by a configuration file. A flag wins over the file, the file over the default.
Exceptions: \`-cluster_peers\` and \`-encryption_key\` lose against their keys in the file, and a key in the environment
variable \`NATS_STREAMING_ENCRYPTION_KEY\` beats both as soon as encryption is on.

- \`-c file\` reads the file for the NATS part and, unless \`-sc\` is given, for the streaming part.
- \`-sc file\` reads it for the streaming part and, unless \`-c\` is given, for the NATS part; then warnings are errors.
- \`-t\` makes warnings errors. The server starts when there are none.

## Flags

One dash or two, \`-name=value\` or \`-name value\`. Booleans only take a value after \`=\` (\`-clustered=false\`): what follows
behind a blank is no value. The first argument that does not begin with a dash ends the flags. Of a repeated flag the
last counts. Sizes take suffixes as in files; durations are numbers with units: \`ns us ms s m h\`, e.g. \`1h30m\`.

## Files

\`\`\`
# NATS part: all top-level keys
port: 4222
cluster {
  listen: 0.0.0.0:6222
  routes: ["nats://host2:6222", "nats://host3:6222"]
}

# Streaming part
streaming {
  id: mycluster
  store: file
  dir: store
  cluster {
    node_id: "a"
    peers: ["b", "c"]
  }
}
\`\`\`

- A key is followed by \`:\`, \`=\` or a blank. Items end with a new line, \`,\` or \`;\`; blanks alone do not separate.
- Keys are found in any letter case. A repeated key replaces the earlier one whole.
- \`#\` and \`//\` begin comments. Strings stand in double quotes with escapes (\`\\t \\n \\r \\" \\\\ \\xHH\`), in single quotes
  without, or in none; several lines stand between \`(\` and a \`)\` on a line of its own. JSON works too.
- \`true yes on\` and \`false no off\` are booleans.
- Sizes: \`k m g t p e\` are powers of 1000, \`kb mb gb tb pb eb\` of 1024. So \`10m\` is ten million: durations such as \`"10m"\`
  need quotes.
- \`$name\` stands for a key read before in a map that is open, or for a variable of the environment, whose text is read as
  a value.
- \`include "path"\` puts the keys of another file here; the path is relative to the including file.
- Without a \`streaming\` block all top-level keys are streaming keys as well. A \`cluster\` block with \`listen\`, \`host\`,
  \`port\`, \`routes\` or \`name\` then is the one of the NATS part only and does not switch clustering on.
- Unknown streaming keys are ignored with a warning; unknown keys inside the blocks of the NATS part are errors.
`;

interface Section {
  readonly title: string;
  readonly text?: string;
  readonly rows: (row: OptionRow) => boolean;
}

function inGroup(...groups: readonly KeyGroup[]): (row: OptionRow) => boolean {
  return (row) => row.group !== undefined && groups.includes(row.group);
}

const sections: readonly Section[] = [
  { title: "Process", rows: (row) => processRows.includes(row) },
  {
    title: "Streaming",
    text: "Keys of the `streaming` block.",
    rows: (row) => streamingRows.includes(row) && row.group !== "streaming.tls",
  },
  {
    title: "Streaming: tls",
    text: "Group `tls` of the streaming block: our own connections to NATS.",
    rows: inGroup("streaming.tls"),
  },
  {
    title: "Streaming: store_limits",
    text: "Group `store_limits`, also `limits` or `storelimits`.",
    rows: inGroup("streaming.store_limits"),
  },
  {
    title: "Streaming: limits of one channel",
    text: "Entries of `store_limits.channels`. What is left out is inherited; 0 is unlimited.",
    rows: inGroup("streaming.store_limits.channels"),
  },
  {
    title: "Streaming: file_options",
    text: "Group `file_options`, also `file`.",
    rows: (row) =>
      row.group === "streaming.file_options" ||
      (row.group === undefined && row.field?.startsWith("streaming.file.") === true),
  },
  { title: "Streaming: sql_options", text: "Group `sql_options`, also `sql`.", rows: inGroup("streaming.sql_options") },
  {
    title: "Streaming: cluster",
    text: "Group `cluster`; its presence switches clustering on.",
    rows: (row) =>
      row.group === "streaming.cluster" ||
      (row.group === undefined && row.field?.startsWith("streaming.cluster.") === true),
  },
  {
    title: "NATS server",
    text:
      "Top-level keys. They configure the embedded NATS server; logging, monitoring and the pid file also hold for the streaming part.",
    rows: (row) => natsRows.includes(row) && row.group !== "nats.authorization",
  },
  { title: "NATS server: authorization", rows: inGroup("nats.authorization") },
  { title: "NATS server: entries of users", rows: inGroup("nats.authorization.users") },
  { title: "NATS server: permissions", rows: inGroup("nats.permissions") },
  { title: "NATS server: entries of accounts", rows: inGroup("nats.accounts") },
  {
    title: "NATS server: tls",
    text: "For clients and HTTPS, and inside of `cluster` for routes.",
    rows: inGroup("nats.tls"),
  },
  { title: "NATS server: cluster", text: "Routes to other NATS servers.", rows: inGroup("nats.cluster") },
  { title: "NATS server: cluster authorization", rows: inGroup("nats.cluster.authorization") },
];

/** The text of the document. */
export function configurationDoc(): string {
  const parts = sections.map(sectionText);
  const refused = UNSUPPORTED_NATS_KEYS.map((key) => `\`${key}\``).join(", ");
  return `${introduction}\n${parts.join("\n")}\n## NATS features that are refused\n\n` +
    `Top-level keys of features that this server does not have are errors, unless their value is \`false\`: ${refused}.\n`;
}

function sectionText({ title, text, rows }: Section): string {
  const lines = OPTION_ROWS.filter(rows).map(rowText);
  const lead = text === undefined ? "" : `${text}\n\n`;
  return `## ${title}\n\n${lead}| Flags | Keys | Type | Default | Meaning |\n| --- | --- | --- | --- | --- |\n${
    lines.join("")
  }`;
}

function rowText(row: OptionRow): string {
  const flags = (row.flags ?? []).map((flag) => `\`-${flag}\``).join(", ");
  const keys = (row.keys ?? []).map((key) => `\`${key}\``).join(", ");
  const meaning = row.more === undefined ? `${row.help}.` : `${row.help}. ${row.more}`;
  const cells = [flags || "–", keys || "–", typeText(row), defaultText(row), meaning];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
}

const typeNames: Readonly<Record<Exclude<ValueKind, "special">, string>> = {
  string: "string",
  bool: "bool",
  int: "int",
  size: "size",
  duration: "duration",
  age: "duration",
  strings: "list",
};

/** The type as an operator writes it. */
function typeText(row: OptionRow): string {
  if (row.kind !== "special") return typeNames[row.kind];
  if (/^(?:Map|What the user|Permissions of)/.test(row.help)) return "map";
  if (/^Array/.test(row.help)) return "list";
  if (row.defaultText === "false") return "bool";
  if (/^Seconds/.test(row.help)) return "number";
  if (isSpan(row)) return "duration";
  const value = row.field === undefined ? "" : getField(defaultOptions(), row.field);
  return typeof value === "number" ? "int" : "string";
}

function isSpan(row: OptionRow): boolean {
  return row.kind === "duration" || /Interval|Deadline|Duration|GracePeriod/.test(row.field ?? "");
}

/** What holds when the option is not set: the value filled in at start, else the default of the options. */
function defaultText(row: OptionRow): string {
  if (row.defaultText !== undefined) return row.defaultText;
  if (row.field === undefined) return "–";
  const name = row.field.replace(/^nats\./, "");
  const filled = row.field.startsWith("nats.") ? (NATS_FILLED_IN as Record<string, unknown>)[name] : undefined;
  const value = filled ?? getField(defaultOptions(), row.field);
  if (value === "") return "none";
  if (typeof value === "bigint") return durationText(value);
  return typeof value === "number" && isSpan(row) ? millisText(value) : `${value}`;
}

/** Complains when `text`, the document as it stands, is not what the rows say. */
export function configurationDocComplaints(text: string | undefined): string[] {
  if (text === configurationDoc()) return [];
  return [`${configurationDocPath} is not up to date; run: deno run -A scripts/configuration_doc.ts`];
}

if (import.meta.main) {
  await Deno.writeTextFile(new URL(`../${configurationDocPath}`, import.meta.url), configurationDoc());
}
