/** The texts of `-help` and `-help_tls`, made from the rows. */
import { CIPHER_SUITES, CURVES } from "./nats_tls.ts";
import { defaultOptions } from "./defaults.ts";
import { getField, HELP_SECTIONS, type OptionRow, type ValueKind } from "./option_row.ts";
import { OPTION_ROWS } from "./option_rows.ts";
import { millisText } from "./values.ts";

const PLACEHOLDERS: Readonly<Record<ValueKind, string>> = {
  string: "<string>",
  bool: "<bool>",
  int: "<int>",
  size: "<size>",
  duration: "<duration>",
  age: "<duration>",
  strings: "<string, ...>",
  special: "<string>",
};

/** The text of `-help`, with its final line feed. */
export function usage(): string {
  const sections = HELP_SECTIONS.map((section) => {
    const rows = OPTION_ROWS.filter((row) => row.section === section && row.flags !== undefined);
    const width = Math.max(...rows.map((row) => usageNames(row).length));
    return `${section}:\n${rows.map((row) => usageLine(row, width)).join("")}`;
  });
  return `\nUsage: nats-streaming-server [options]\n\n${sections.join("\n")}\n`;
}

/** The explanations of a section begin in one column, behind its widest names. */
function usageLine(row: OptionRow, width: number): string {
  return `${usageNames(row).padEnd(width)} ${row.help.replaceAll("`", "")}${defaultOf(row)}\n`;
}

function usageNames(row: OptionRow): string {
  const flags = row.flags ?? [];
  const short = flags.length > 1 ? `-${flags[0]},` : "";
  const long = flags.at(-1) ?? "";
  const dashes = /^[a-z]{2}[a-z_]/.test(long) ? "--" : "-";
  const bool = row.field === undefined ? "" : "[=<bool>]";
  const value = row.kind === "bool" ? bool : ` ${row.placeholder ?? PLACEHOLDERS[row.kind]}`;
  return `    ${short.padEnd(6)}${dashes}${long}${value}`;
}

function defaultOf(row: OptionRow): string {
  if (row.defaultText !== undefined) {
    return /^(none|false)$/.test(row.defaultText) ? "" : ` (default: ${row.defaultText.replaceAll("`", "")})`;
  }
  if (row.field === undefined) return "";
  const value = getField(defaultOptions(), row.field);
  if (value === "" || value === null || value === undefined || value === false || value === 0 || value === 0n) {
    return "";
  }
  return ` (default: ${row.kind === "duration" ? millisText(value as number) : String(value)})`;
}

/** The text of `-help_tls`, with its final line feed. */
export function tlsUsage(): string {
  return `${TLS_INTRODUCTION}
Available cipher suites include:
${[...CIPHER_SUITES].map((name) => `    ${name}\n`).join("")}
Available curve preferences include:
${CURVES.map((name) => `    ${name}\n`).join("")}`;
}

const TLS_INTRODUCTION = `
TLS for clients is configured in a tls block of the configuration file, TLS between
routes in the same block inside of the cluster block, e.g.

    tls {
        cert_file:      "./certs/server-cert.pem"
        key_file:       "./certs/server-key.pem"
        ca_file:        "./certs/ca.pem"
        verify:         true
        verify_and_map: true
        timeout:        2

        cipher_suites: [
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
        ]
        curve_preferences: [
            "CurveP256",
            "CurveP384",
            "CurveP521"
        ]
    }

Names of versions 1.3 and below are accepted; suites that the runtime does not have
any more are left out of the offer.
`;
