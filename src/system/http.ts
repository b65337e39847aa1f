/** A small web server for the monitoring pages. */
import type { Address } from "../ports/network.ts";
import { networkFailure } from "./network_failures.ts";

export interface HttpRequest {
  /** The path as it was sent, still escaped, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly method: string;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

export interface HttpOptions extends Address {
  /** PEM texts; with them the server speaks HTTPS. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** Told about a handler that failed; the client gets a 500 page. */
  readonly onError?: (error: unknown) => void;
}

export interface HttpServer {
  readonly address: Address;
  /** Stops listening and ends open requests. Idempotent. */
  close(): Promise<void>;
}

export type HttpHandler = (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;

/** Serves until closed. Rejects with NetworkFailed, e.g. `EADDRINUSE`. */
export async function serveHttp(options: HttpOptions, handler: HttpHandler): Promise<HttpServer> {
  const stop = new AbortController();
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve({
      hostname: options.host,
      port: options.port,
      signal: stop.signal,
      onListen() {},
      onError: (error) => {
        options.onError?.(error);
        return new Response("500 internal server error\n", { status: 500 });
      },
      ...(options.tls === undefined ? {} : { cert: options.tls.certificate, key: options.tls.key }),
    }, async (request) => answer(request.method, await handler(requestOf(request))));
  } catch (cause) {
    throw networkFailure(`cannot listen on ${options.host}:${options.port}`, cause);
  }
  return {
    address: { host: server.addr.hostname, port: server.addr.port },
    close() {
      stop.abort();
      return server.finished;
    },
  };
}

function requestOf(request: Request): HttpRequest {
  // Not by `new URL`, which would resolve `//x` and `/./` before the handler sees them.
  const afterHost = request.url.indexOf("/", request.url.indexOf("://") + 3);
  const target = afterHost < 0 ? "/" : request.url.slice(afterHost);
  const mark = target.indexOf("?");
  return {
    path: mark < 0 ? target : target.slice(0, mark),
    query: new URLSearchParams(mark < 0 ? "" : target.slice(mark + 1)),
    method: request.method,
  };
}

function answer(method: string, response: HttpResponse): Response {
  // An empty text would get a content type of its own.
  const bodyless = method === "HEAD" || response.body === "" || response.status === 204 || response.status === 304;
  const body = bodyless ? null : response.body as string | Uint8Array<ArrayBuffer>;
  return new Response(body, { status: response.status, headers: response.headers });
}
