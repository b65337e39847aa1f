/** `/connz`: the connections, open or closed, in the order and with the details that are asked for. */
import { uptimeText } from "../../../protocol/json_page.ts";
import {
  BadParameter,
  booleanParameter,
  idParameter,
  pageParameters,
  readable,
  spanText,
  subsParameter,
  timeText,
} from "./page_texts.ts";
import { type ConnectionView, viewOfBus, viewOfSession } from "./connection_view.ts";
import { GLOBAL_ACCOUNT } from "../account.ts";
import type { Nanos } from "../../../protocol/units.ts";
import type { ShownServer } from "./shown_server.ts";
import { subscriptionView } from "./subsz.ts";

type Order = (a: ConnectionView, b: ConnectionView, now: Nanos) => number;

const down = (of: (row: ConnectionView) => number | bigint): Order => (a, b) =>
  of(a) > of(b) ? -1 : of(a) < of(b) ? 1 : 0;
const up = (of: (row: ConnectionView) => number | bigint | string): Order => (a, b) =>
  of(a) < of(b) ? -1 : of(a) > of(b) ? 1 : 0;
const age = (row: ConnectionView, now: Nanos) => (row.stopped || now) - row.started;

const orders: Readonly<Record<string, Order>> = {
  cid: up((row) => row.id),
  start: up((row) => row.started),
  subs: down((row) => row.subscriptionCount),
  pending: down((row) => row.pending),
  msgs_to: down((row) => row.outMessages),
  msgs_from: down((row) => row.inMessages),
  bytes_to: down((row) => row.outBytes),
  bytes_from: down((row) => row.inBytes),
  last: down((row) => row.lastActivity),
  idle: up((row) => row.lastActivity),
  uptime: (a, b, now) => age(a, now) < age(b, now) ? -1 : age(a, now) > age(b, now) ? 1 : 0,
  stop: down((row) => row.stopped),
  reason: up((row) => row.reason),
  rtt: down((row) => row.roundTrip),
};

const states: Readonly<Record<string, "open" | "closed" | "any">> = {
  "": "open",
  open: "open",
  "0": "open",
  closed: "closed",
  "1": "closed",
  any: "any",
  all: "any",
  "2": "any",
};

/** The page's object. Throws BadParameter. */
export function connz(server: ShownServer, query: URLSearchParams): unknown {
  const now = server.clock.wall();
  const { order, state } = sorting(query);
  const auth = booleanParameter(query, "auth");
  const subs = subsParameter(query);
  const { offset, limit } = pageParameters(query);
  const id = idParameter(query, "cid");
  const rows = rowsOf(server, id > 0 ? "any" : state)
    .filter((row) => id === 0 || row.id === id)
    .filter((row) => isWanted(row, query))
    .sort((a, b) => order(a, b, now) || a.id - b.id);
  const page = rows.slice(offset, offset + limit);
  return {
    server_id: server.serverId,
    now: timeText(now),
    num_connections: page.length,
    total: rows.length,
    offset,
    limit,
    connections: page.map((row) => view(row, now, auth, subs)),
  };
}

function sorting(query: URLSearchParams): { readonly order: Order; readonly state: "open" | "closed" | "any" } {
  const name = query.get("sort") || "cid";
  const stateName = (query.get("state") ?? "").toLowerCase();
  const state = Object.hasOwn(states, stateName) ? states[stateName]! : undefined;
  if (state === undefined) throw new BadParameter(`Error decoding state for ${query.get("state")}`);
  if (!Object.hasOwn(orders, name)) throw new BadParameter(`invalid sorting option: ${name}`);
  if ((name === "stop" || name === "reason") && state !== "closed") {
    throw new BadParameter(`sort by ${name} only valid on closed connections`);
  }
  return { order: orders[name]!, state };
}

function isWanted(row: ConnectionView, query: URLSearchParams): boolean {
  const user = query.get("user") || undefined;
  const account = query.get("acc") || undefined;
  return (user === undefined || row.user === user) && (account === undefined || row.account === account);
}

function rowsOf(server: ShownServer, state: "open" | "closed" | "any"): ConnectionView[] {
  const rows: ConnectionView[] = [];
  if (state !== "closed") {
    const now = server.clock.wall();
    for (const bus of server.buses) if (bus.id > 0) rows.push(viewOfBus(bus, server.address, now, server.version));
    for (const session of server.sessions.values()) rows.push(viewOfSession(session));
  }
  if (state !== "open") rows.push(...server.closedClients.list());
  return rows;
}

function view(
  row: ConnectionView,
  now: Nanos,
  auth: boolean,
  subs: { readonly list: boolean; readonly detail: boolean },
) {
  const named = (key: string, value: string) => value !== "" ? { [key]: value } : {};
  const listed = subs.list && row.subscriptions.length > 0;
  return {
    cid: row.id,
    kind: "Client",
    type: "nats",
    ip: row.ip,
    port: row.port,
    start: timeText(row.started),
    last_activity: timeText(row.lastActivity),
    ...(row.stopped > 0n ? { stop: timeText(row.stopped), reason: row.reason } : {}),
    ...(row.roundTrip > 0 ? { rtt: spanText(row.roundTrip) } : {}),
    uptime: uptimeText(age(row, now)),
    idle: uptimeText((row.stopped || now) - row.lastActivity),
    pending_bytes: row.pending,
    in_msgs: row.inMessages,
    out_msgs: row.outMessages,
    in_bytes: row.inBytes,
    out_bytes: row.outBytes,
    subscriptions: row.subscriptionCount,
    ...named("name", row.name),
    ...named("lang", row.lang),
    ...named("version", row.version),
    ...named("tls_version", row.tlsVersion.replace(/^TLSv/, "")),
    ...named("tls_cipher_suite", row.tlsCipher),
    ...(auth ? named("authorized_user", row.user) : {}),
    ...(auth && row.account !== GLOBAL_ACCOUNT ? { account: row.account } : {}),
    ...(listed && !subs.detail
      ? { subscriptions_list: row.subscriptions.map(({ subject }) => readable(subject)) }
      : {}),
    ...(listed && subs.detail
      ? { subscriptions_list_detail: row.subscriptions.map((one) => subscriptionView(one, row.id)) }
      : {}),
  };
}
