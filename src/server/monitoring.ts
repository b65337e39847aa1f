/** The `/streaming` pages (spec cli-config-monitoring, section 5.2): pure functions of the server's present state. */
import type { ChannelStore } from "../ports/store.ts";
import { jsonPage, type Page, uptimeText } from "../protocol/json_page.ts";
import type { Nanos } from "../protocol/units.ts";
import type { Channel, Client, State, Subscription } from "../streaming/mod.ts";
import { errorPage, localTime } from "./page_texts.ts";

/** What the pages are made from. */
export interface Monitored {
  readonly clusterId: string;
  readonly serverId: string;
  readonly version: string;
  /** What stands where the reference names its Go version. */
  readonly runtime: string;
  /** `STANDALONE`, `CLUSTERED`, `FT_ACTIVE`, `FT_STANDBY`, `FAILED`, `SHUTDOWN`. */
  readonly state: string;
  /** Set when clustered. */
  readonly role?: string;
  readonly nodeId?: string;
  /** Set when clustered: what the journal says of it. */
  readonly cluster?: Readonly<Record<string, unknown>>;
  readonly now: Nanos;
  readonly startTime: Nanos;
  readonly storeType: string;
  readonly limits: LimitsPage;
  readonly traffic: {
    readonly inMessages: number;
    readonly inBytes: number;
    readonly outMessages: number;
    readonly outBytes: number;
  };
  readonly files: { readonly open: number; readonly max: number };
  readonly streaming: State;
  readonly stores: ReadonlyMap<string, ChannelStore>;
}

/** The limits as `storez` shows them, keys included. Ages in nanoseconds. */
export interface LimitsPage {
  readonly max_channels: number;
  readonly max_msgs: number;
  readonly max_bytes: number;
  readonly max_age: number;
  readonly max_subscriptions: number;
  readonly max_inactivity: number;
  readonly channels?: Readonly<Record<string, Omit<LimitsPage, "max_channels" | "channels">>>;
}

const PAGE_LIMIT = 1024;

/** The page for `path`, or `undefined` when it is none of these. */
export function streamingPage(path: string, query: URLSearchParams, server: Monitored): Page | undefined {
  switch (path) {
    case "/streaming":
      return indexPage();
    case "/streaming/serverz":
      return jsonPage(serverz(server), query.get("callback"));
    case "/streaming/storez":
      return jsonPage(storez(server), query.get("callback"));
    case "/streaming/clientsz":
      return clientsz(query, server);
    case "/streaming/channelsz":
      return channelsz(query, server);
    case "/streaming/clusterz":
      if (server.cluster === undefined) return undefined;
      return jsonPage({ ...head(server), now: localTime(server.now), ...server.cluster }, query.get("callback"));
    case "/streaming/isFTActive":
      return { status: server.state === "FT_ACTIVE" ? 200 : 204, headers: {}, body: "" };
  }
}

function indexPage(): Page {
  const links = ["server", "store", "clients", "channels"]
    .map((name) => `\n\t\t\t<a href=/streaming/${name}z>${name}</a><br/>`)
    .join("");
  return {
    status: 200,
    headers: { "Content-Type": "text/html; charset=utf-8" },
    body:
      `<html lang="en">\n<head><title>NATS Streaming</title></head>\n<body>\n\t<h1>NATS Streaming</h1>${links}\n</body>\n</html>`,
  };
}

function head(server: Monitored): Record<string, unknown> {
  return { cluster_id: server.clusterId, server_id: server.serverId };
}

/** Sums over all channels. */
function totals(server: Monitored): { total_msgs: number; total_bytes: number } {
  let messages = 0;
  let bytes = 0;
  for (const store of server.stores.values()) {
    messages += store.messages.count;
    bytes += store.messages.bytes;
  }
  return { total_msgs: messages, total_bytes: bytes };
}

function serverz(server: Monitored): Record<string, unknown> {
  let subscriptions = 0;
  for (const channel of server.streaming.channels.values()) subscriptions += channel.subscriptions.size;
  return {
    ...head(server),
    version: server.version,
    go: server.runtime,
    state: server.state,
    ...(server.role === undefined ? {} : { role: server.role, node_id: server.nodeId }),
    now: localTime(server.now),
    start_time: localTime(server.startTime),
    uptime: uptimeText(server.now - server.startTime),
    clients: server.streaming.clients.size,
    subscriptions,
    channels: server.streaming.channels.size,
    ...totals(server),
    in_msgs: server.traffic.inMessages,
    in_bytes: server.traffic.inBytes,
    out_msgs: server.traffic.outMessages,
    out_bytes: server.traffic.outBytes,
    ...(server.files.open > 0 ? { open_fds: server.files.open } : {}),
    ...(server.files.max > 0 ? { max_fds: server.files.max } : {}),
  };
}

function storez(server: Monitored): Record<string, unknown> {
  return {
    ...head(server),
    now: localTime(server.now),
    type: server.storeType,
    limits: server.limits,
    ...totals(server),
  };
}

/** `offset` and `limit` as the reference reads them: anything odd means the default. */
function paging(query: URLSearchParams): { offset: number; limit: number } {
  const offset = wholeNumber(query.get("offset"));
  const limit = wholeNumber(query.get("limit"));
  return {
    offset: offset === undefined || offset < 0 ? 0 : offset,
    limit: limit === undefined || limit <= 0 ? PAGE_LIMIT : limit,
  };
}

function wholeNumber(text: string | null): number | undefined {
  return text !== null && /^[+-]?\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function wantsSubscriptions(query: URLSearchParams): boolean {
  return wholeNumber(query.get("subs")) === 1;
}

/** One page of `items`, sorted by name in byte order. */
function pageOf<T>(items: ReadonlyMap<string, T>, { offset, limit }: { offset: number; limit: number }): T[] {
  const names = [...items.keys()].sort(byBytes);
  return names.slice(offset, offset + limit).map((name) => items.get(name)!);
}

/** UTF-8 order, which differs from UTF-16 order only beyond the basic plane. */
function byBytes(a: string, b: string): number {
  const left = [...a];
  const right = [...b];
  for (let i = 0; i < left.length && i < right.length; i++) {
    const difference = left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

function clientsz(query: URLSearchParams, server: Monitored): Page {
  const id = query.get("client");
  const callback = query.get("callback");
  const withSubscriptions = wantsSubscriptions(query);
  if (id !== null && id !== "") {
    const client = server.streaming.clients.get(id);
    if (client === undefined) return errorPage(404, `Client ${id} not found`);
    return jsonPage(clientObject(client, withSubscriptions), callback);
  }
  const page = paging(query);
  const clients = pageOf(server.streaming.clients, page).map((client) => clientObject(client, withSubscriptions));
  const { offset, limit } = page;
  const count = clients.length;
  const total = server.streaming.clients.size;
  return jsonPage({ ...head(server), now: localTime(server.now), offset, limit, count, total, clients }, callback);
}

function clientObject(client: Client, withSubscriptions: boolean): Record<string, unknown> {
  const byChannel: Record<string, unknown[]> = {};
  const names = [...new Set([...client.subscriptions].map((subscription) => subscription.channel.name))].sort(byBytes);
  for (const name of names) byChannel[name] = [];
  for (const subscription of client.subscriptions) {
    byChannel[subscription.channel.name]!.push(subscriptionObject(subscription));
  }
  return {
    id: client.id,
    hb_inbox: client.heartbeatInbox,
    subs_count: client.subscriptions.size,
    ...(withSubscriptions && client.subscriptions.size > 0 ? { subscriptions: byChannel } : {}),
  };
}

function channelsz(query: URLSearchParams, server: Monitored): Page {
  const name = query.get("channel");
  const callback = query.get("callback");
  const withSubscriptions = wantsSubscriptions(query);
  if (name !== null && name !== "") {
    const channel = server.streaming.channels.get(name);
    if (channel === undefined) return errorPage(404, `Channel ${name} not found`);
    return jsonPage(channelObject(channel, withSubscriptions, server), callback);
  }
  const page = paging(query);
  const channels = pageOf(server.streaming.channels, page);
  const { offset, limit } = page;
  const count = channels.length;
  const total = server.streaming.channels.size;
  const list = withSubscriptions
    ? { channels: channels.map((channel) => channelObject(channel, true, server)) }
    : { names: channels.map((channel) => channel.name) };
  const body = { ...head(server), now: localTime(server.now), offset, limit, count, total };
  return jsonPage(count === 0 ? body : { ...body, ...list }, callback);
}

function channelObject(channel: Channel, withSubscriptions: boolean, server: Monitored): Record<string, unknown> {
  const messages = server.stores.get(channel.name)?.messages;
  const subscriptions = [...channel.subscriptions.values()];
  return {
    name: channel.name,
    msgs: messages?.count ?? 0,
    bytes: messages?.bytes ?? 0,
    first_seq: messages?.first ?? 0,
    last_seq: messages?.last ?? 0,
    subs_count: subscriptions.length,
    ...(withSubscriptions && subscriptions.length > 0 ? { subscriptions: subscriptions.map(subscriptionObject) } : {}),
  };
}

function subscriptionObject(subscription: Subscription): Record<string, unknown> {
  const { group } = subscription;
  return {
    client_id: subscription.clientId === "" ? subscription.formerClientId : subscription.clientId,
    inbox: subscription.inbox,
    ack_inbox: subscription.ackInbox,
    ...(subscription.durableName === "" ? {} : { durable_name: subscription.durableName }),
    ...(group === undefined ? {} : { queue_name: group.name }),
    is_durable: subscription.isDurable,
    is_offline: subscription.offline,
    max_inflight: subscription.maxInFlight,
    ack_wait: subscription.ackWaitInSecs,
    last_sent: group?.placeholder === subscription ? group.lastSent : subscription.lastSent,
    pending_count: subscription.pending.size,
    is_stalled: subscription.pending.size >= subscription.maxInFlight,
  };
}
