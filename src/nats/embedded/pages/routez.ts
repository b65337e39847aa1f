/** `/routez`: the connections to other servers. */
import { uptimeText } from "../../../protocol/json_page.ts";
import { readable, spanText, subsParameter, timeText } from "./page_texts.ts";
import type { Nanos } from "../../../protocol/units.ts";
import type { ShownServer } from "./shown_server.ts";
import type { RouteView } from "../routes/mod.ts";

/** The page's object. Throws BadParameter. */
export function routez(server: ShownServer, query: URLSearchParams): unknown {
  const subs = subsParameter(query);
  const now = server.clock.wall();
  const routes = server.routes.list();
  const permissions = server.options.cluster?.permissions;
  return {
    server_id: server.serverId,
    server_name: server.serverName,
    now: timeText(now),
    ...(permissions?.import === undefined ? {} : { import: permissions.import }),
    ...(permissions?.export === undefined ? {} : { export: permissions.export }),
    num_routes: routes.length,
    routes: routes.map((route) => view(route, now, subs)),
  };
}

function view(route: RouteView, now: Nanos, subs: { readonly list: boolean; readonly detail: boolean }) {
  const { interests } = route;
  const listed = subs.list && interests.length > 0;
  return {
    rid: route.id,
    remote_id: route.remoteId,
    remote_name: route.remoteName,
    did_solicit: route.didSolicit,
    is_configured: route.isConfigured,
    ip: route.host,
    port: route.port,
    start: timeText(route.started),
    last_activity: timeText(route.lastActivity),
    ...(route.roundTrip > 0 ? { rtt: spanText(route.roundTrip) } : {}),
    uptime: uptimeText(now - route.started),
    idle: uptimeText(now - route.lastActivity),
    pending_size: route.pendingBytes,
    in_msgs: route.inMessages,
    out_msgs: route.outMessages,
    in_bytes: route.inBytes,
    out_bytes: route.outBytes,
    subscriptions: interests.length,
    ...(listed && !subs.detail ? { subscriptions_list: interests.map(({ subject }) => readable(subject)) } : {}),
    ...(listed && subs.detail
      ? {
        subscriptions_list_detail: interests.map(({ subject, queue }) => ({
          subject: readable(subject),
          ...(queue === undefined ? {} : { qgroup: readable(queue) }),
          sid: "",
          msgs: 0,
          cid: route.id,
        })),
      }
      : {}),
  };
}
