/** Rows of flags about this process: files to read, requests for information, signals (spec cli-config-monitoring, section 1). */
import type { OptionRow } from "./option_row.ts";

export const processRows: readonly OptionRow[] = [
  {
    section: "Embedded NATS Server Options",
    field: "process.configFile",
    kind: "string",
    flags: ["c", "config"],
    help: "Configuration file, of both parts unless `-sc` names another for the streaming part",
  },
  {
    section: "Streaming Server Options",
    field: "process.streamingConfigFile",
    kind: "string",
    flags: ["sc", "stan_config"],
    help: "Configuration file of the streaming part, of both parts without `-c`",
  },
  {
    field: "process.strict",
    kind: "bool",
    flags: ["t"],
    help: "Warnings of the configuration are errors; needs `-c`. The server starts when there are none",
  },
  {
    kind: "string",
    section: "Streaming Server Options",
    flags: ["sl", "signal"],
    placeholder: "<signal>[=<pid>]",
    help: "Send a signal to a running server: stop, quit, reopen, reload, term, ldm",
    defaultText: "none",
  },
  { kind: "bool", section: "Common Options", flags: ["h", "help"], help: "Show this message", defaultText: "false" },
  { kind: "bool", section: "Common Options", flags: ["v", "version"], help: "Show the version", defaultText: "false" },
  {
    kind: "bool",
    section: "Common Options",
    flags: ["help_tls"],
    help: "Show how TLS is configured",
    defaultText: "false",
  },
];
