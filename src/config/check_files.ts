/** Files that our own connections to NATS need, looked at before anything starts (spec cli-config-monitoring, section 7). */
import type { StartRefusal } from "./check_start.ts";
import { ConfigError, openErrorText } from "./errors.ts";
import type { Options } from "./options.ts";

/** What is wrong with the first file that cannot be used. `read` answers a file's text or throws as `ConfigIo.read`. */
export function checkFiles({ streaming }: Options, read: (path: string) => string): StartRefusal | undefined {
  const { nkeySeedFile, tls } = streaming;
  const text = (path: string): string => {
    try {
      return read(path);
    } catch (cause) {
      throw new ConfigError(openErrorText(path, cause), { cause });
    }
  };
  const reason = checkSeed(nkeySeedFile, text) ?? checkAuthority(tls.clientCa, text) ??
    checkPair(tls.clientCert, tls.clientKey, text);
  return reason === undefined ? undefined : { line: `STREAM: Failed to start: ${reason}` };
}

type Read = (path: string) => string;

function checkSeed(path: string, read: Read): string | undefined {
  if (path === "") return undefined;
  return reasonOf("nats: ", () => /\bSU[A-Z2-7]{56}\b/.test(read(path)) ? undefined : "nkeys: no nkey seed found");
}

function checkAuthority(path: string, read: Read): string | undefined {
  if (path === "") return undefined;
  return reasonOf("nats: error loading or parsing rootCA file: ", () => {
    return hasPem(read(path), "CERTIFICATE") ? undefined : `nats: failed to parse root certificate from "${path}"`;
  });
}

function checkPair(certificate: string, key: string, read: Read): string | undefined {
  if (certificate === "") return undefined;
  const prefix = "nats: error loading client certificate: ";
  return reasonOf(prefix, () => {
    const missing = (what: string) => `${prefix}tls: failed to find any PEM data in ${what} input`;
    if (!hasPem(read(certificate), "CERTIFICATE")) return missing("certificate");
    return hasPem(read(key), "PRIVATE KEY") ? undefined : missing("key");
  });
}

function reasonOf(prefix: string, check: () => string | undefined): string | undefined {
  try {
    return check();
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause;
    return prefix + cause.message;
  }
}

function hasPem(text: string, label: string): boolean {
  return [...text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----/g)].some((match) => match[1]?.includes(label));
}
