/** The monitoring listener: one HTTP server for the pages of NATS and of streaming (spec cli-config-monitoring, section 5.1). */
import type { NatsOptions } from "../config/mod.ts";
import type { Files } from "../ports/files.ts";
import type { Log } from "../ports/log.ts";
import { NetworkFailed } from "../ports/network.ts";
import type { Awaitable } from "../protocol/units.ts";
import { StartFailed } from "../protocol/errors.ts";
import { listenFailure, readTextFile } from "../plugins/texts.ts";
import type { Page } from "../protocol/json_page.ts";
import { type HttpRequest, type HttpResponse, serveHttp } from "../system/mod.ts";

/** Finds the page for a path, or answers that there is none. */
export type Pages = (path: string, query: URLSearchParams) => Awaitable<Page | undefined>;

/** What the listener needs from the process. */
export interface MonitorContext {
  readonly files: Files;
  readonly log: Log;
  /** Whether the NATS server is in this process: only then the line about the listener is logged. */
  readonly embedded: boolean;
}

/** An open monitoring listener. */
export interface Monitor {
  readonly url: string;
  close(): Promise<void>;
}

/** Opens the listener that the options ask for. Rejects with StartFailed. */
export async function startMonitor(
  nats: NatsOptions,
  pages: Pages,
  { files, log, embedded }: MonitorContext,
): Promise<Monitor | undefined> {
  if (nats.httpPort !== 0 && nats.httpsPort !== 0) {
    throw new StartFailed(`can't specify both HTTP (${nats.httpPort}) and HTTPs (${nats.httpsPort}) ports`);
  }
  const isSecure = nats.httpsPort !== 0;
  const asked = isSecure ? nats.httpsPort : nats.httpPort;
  if (asked === 0) return undefined;
  const tls = isSecure ? tlsFiles(nats, files) : undefined;
  const port = asked === -1 ? 0 : asked;
  try {
    const server = await serveHttp(
      { host: nats.httpHost, port, ...(tls === undefined ? {} : { tls }) },
      (request) => respond(request, pages),
    );
    if (embedded) {
      log.notice(`Starting ${isSecure ? "https" : "http"} monitor on ${nats.httpHost}:${server.address.port}`);
    }
    const scheme = isSecure ? "https" : "http";
    return { url: `${scheme}://${shownHost(nats.httpHost)}:${server.address.port}`, close: () => server.close() };
  } catch (error) {
    if (!(error instanceof NetworkFailed)) throw error;
    const reason = listenFailure(nats.httpHost, asked, error);
    throw new StartFailed(`Can't start monitoring: can't listen to the monitor port: ${reason}`, 1, {
      cause: error,
      isWholeLine: true,
    });
  }
}

/** What to dial for an address that means every one of this machine's. */
function shownHost(host: string): string {
  return host === "0.0.0.0" || host === "::" || host === "" ? "127.0.0.1" : host;
}

function tlsFiles(nats: NatsOptions, files: Files): { certificate: string; key: string } {
  if (nats.tls === undefined || nats.tls.certFile === "" || nats.tls.keyFile === "") {
    throw new StartFailed("Can't start monitoring: TLS cert and key required for HTTPS", 1, { isWholeLine: true });
  }
  return {
    certificate: readTextFile(files, nats.tls.certFile, "certificate"),
    key: readTextFile(files, nats.tls.keyFile, "key"),
  };
}

/** The answer to one request: a page, a redirect to the cleaned path, or 404. */
export async function respond({ path, query, method }: HttpRequest, pages: Pages): Promise<HttpResponse> {
  const cleaned = cleanPath(path);
  if (cleaned !== path) {
    const search = query.toString();
    const location = search === "" ? cleaned : `${cleaned}?${search}`;
    const headers = { "Location": location, "Content-Type": "text/html; charset=utf-8" };
    return { status: 301, headers, body: `<a href="${attribute(location)}">Moved Permanently</a>.\n\n` };
  }
  const page = await pages(path, query) ?? {
    status: 404,
    headers: { "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff" },
    body: "404 page not found\n",
  };
  return method === "HEAD" ? { ...page, body: "" } : page;
}

function attribute(text: string): string {
  return text.replace(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Without empty and dot segments; a final slash stays. */
function cleanPath(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") kept.pop();
    else if (segment !== "" && segment !== ".") kept.push(segment);
  }
  const cleaned = `/${kept.join("/")}`;
  return path.endsWith("/") && cleaned !== "/" ? `${cleaned}/` : cleaned;
}
