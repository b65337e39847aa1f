/**
 * The other NATS servers: the mesh, what they want, what they are told.
 * Knows the route protocol, gossip and dialing; the server is asked through `route_host.ts`.
 * Must not know: clients, their rights, or monitoring pages.
 */
export { effectiveCluster, fixedInCluster } from "./cluster_reload.ts";
export type { RouteHost } from "./route_host.ts";
export { noRoutes, type RouteTable, type RouteView } from "./route_table.ts";
export { openRoutes, RoutePortFailed, type Routes } from "./routes.ts";
