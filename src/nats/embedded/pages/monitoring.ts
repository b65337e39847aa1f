/** The monitoring pages of the NATS server, as functions of its state (spec nats-server, section 5). */
import { accountz, accstatz } from "./accountz.ts";
import { jsonPage, type Page } from "../../../protocol/json_page.ts";
import { BadParameter, badRequest, booleanParameter, pageParameters, timeText } from "./page_texts.ts";
import { connz } from "./connz.ts";
import type { ShownServer } from "./shown_server.ts";
import { routez } from "./routez.ts";
import { subsz } from "./subsz.ts";
import { varz } from "./varz.ts";

export type { Page };

type View = (server: ShownServer, query: URLSearchParams) => unknown;

const views: Readonly<Record<string, View>> = {
  "/varz": varz,
  "/connz": connz,
  "/routez": routez,
  "/subsz": subsz,
  "/subscriptionsz": subsz,
  "/gatewayz": (server) => ({ ...heading(server), outbound_gateways: {}, inbound_gateways: {} }),
  "/leafz": (server) => ({ ...heading(server), leafnodes: 0, leafs: null }),
  "/accountz": accountz,
  "/accstatz": accstatz,
  "/jsz": (server) => ({ ...heading(server), disabled: true, config: noJetStream, ...jetStreamZeros }),
};

const noJetStream = { max_memory: 0, max_storage: 0 };
const jetStreamZeros = {
  memory: 0,
  storage: 0,
  reserved_memory: 0,
  reserved_storage: 0,
  accounts: 0,
  ha_assets: 0,
  api: { total: 0, errors: 0 },
  streams: 0,
  consumers: 0,
  messages: 0,
  bytes: 0,
};

/** Pages that are no JSON in the usual form. */
const others: ReadonlySet<string> = new Set(["/", "/healthz", "/ipqueuesz", "/stacksz"]);

/** Parameters that are read for their form alone. */
const switches: Readonly<Record<string, readonly string[]>> = {
  "/healthz": ["js-enabled", "js-enabled-only", "js-server-only"],
  "/gatewayz": ["accs"],
  "/leafz": ["subs"],
  "/jsz": ["accounts", "streams", "consumers", "config", "leader-only"],
  "/accstatz": ["unused"],
};

/** Throws BadParameter. */
function checkParameters(path: string, query: URLSearchParams): void {
  for (const name of switches[path] ?? []) booleanParameter(query, name);
  if (path === "/jsz") pageParameters(query);
}

/** Answers a path; `undefined` when the NATS server has no such page. */
export function monitoringPage(server: ShownServer, path: string, query: URLSearchParams): Page | undefined {
  const callback = query.get("callback");
  if (!others.has(path) && !Object.hasOwn(views, path)) return undefined;
  server.totals.count(path);
  if (path === "/") return indexPage(server);
  if (path === "/stacksz") return stacks();
  try {
    checkParameters(path, query);
    if (path === "/healthz") return healthz(server, callback);
    if (path === "/ipqueuesz") return jsonPage(queues(query), callback, "   ");
    return jsonPage(views[path]!(server, query), callback);
  } catch (error) {
    if (error instanceof BadParameter) return badRequest(error.message);
    throw error;
  }
}

function healthz(server: ShownServer, callback: string | null): Page {
  if (server.options.unused) {
    const error = "failed to be ready for connections after 1ms: server";
    return jsonPage({ status: "error", error }, callback, "", 503);
  }
  if (!server.closing && !server.lameDuckMode) return jsonPage({ status: "ok" }, callback, "");
  return jsonPage({ status: "unavailable", error: "server is shutting down" }, callback, "", 503);
}

/** What runs at the moment: with one thread, this answer. */
function stacks(): Page {
  const body = new Error("stack").stack ?? "";
  return { status: 200, headers: { "Content-Type": "application/json", "Access-Control-Allow-Origin": "*" }, body };
}

/** What waits inside the server: nothing ever does between two turns. Empty queues are listed with `all` only. */
function queues(query: URLSearchParams) {
  if (!booleanParameter(query, "all")) return {};
  return { "SendQ": { pending: 0 }, "System recvQ": { pending: 0 }, "System sendQ": { pending: 0 } };
}

function heading(server: ShownServer) {
  return { server_id: server.serverId, now: timeText(server.clock.wall()) };
}

function indexPage(server: ShownServer): Page {
  const pages: [string, string][] = [
    ["varz", "General"],
    ["connz", "Connections"],
    ["accountz", "Accounts"],
    ["accstatz", "Account Stats"],
    ["subsz", "Subscriptions"],
    ["routez", "Routes"],
    ["leafz", "LeafNodes"],
    ["gatewayz", "Gateways"],
    ["healthz", "Health Probe"],
  ];
  const base = (server.options.http?.basePath ?? "").replace(/\/+$/, "");
  const links = pages.map(([page, title]) => `    <a href="${base}/${page}">${title}</a><br/>`).join("\n");
  const body = `<html lang="en">
  <head>
    <title>NATS Server ${server.serverName.replace(/[<>&"]/g, "")}</title>
    <style>body { font-family: sans-serif; font-size: 22px } a { margin-left: 32px; text-decoration: none }</style>
  </head>
  <body>
${links}
  </body>
</html>`;
  return { status: 200, headers: { "Content-Type": "text/html; charset=utf-8" }, body };
}
