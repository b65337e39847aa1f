/**
 * What the Prometheus exporter makes of a server's pages (spec cli-config-monitoring, section 6), with values that differ
 * from run to run left out: enough to compare with a capture of the exporter itself.
 */

// deno-lint-ignore no-explicit-any
type Page = any;

/** A line of metrics in a form of its own: labels that name this run are dropped. */
export function comparable(line: string): string {
  return line.replace(/(server_id|inbox|go_version|start_time)="[^"]*",?/g, "").replace(/,}/, "}").replace("{}", "");
}

/** The streaming metrics, sorted. */
export function streamingMetrics(serverz: Page, channelsz: Page): string[] {
  const lines: string[] = [];
  for (const name of ["bytes", "msgs"]) {
    lines.push(`nss_server_${name}_total ${serverz[`total_${name}`]}`);
    lines.push(`nss_server_${name}_in ${serverz[`in_${name}`]}`, `nss_server_${name}_out ${serverz[`out_${name}`]}`);
  }
  for (const name of ["channels", "clients", "subscriptions"]) lines.push(`nss_server_${name} ${serverz[name]}`);
  lines.push(`nss_server_active ${serverz.state === "FT_ACTIVE" ? 1 : 0}`);
  const { cluster_id, role = "", state, version } = serverz;
  lines.push(`nss_server_info{cluster_id="${cluster_id}",role="${role}",state="${state}",version="${version}"} 1`);
  for (const channel of channelsz.channels ?? []) {
    const labels = `{channel="${channel.name}",server_role="${role}"}`;
    lines.push(`nss_chan_bytes_total${labels} ${channel.bytes}`, `nss_chan_msgs_total${labels} ${channel.msgs}`);
    lines.push(`nss_chan_last_seq${labels} ${channel.last_seq}`);
    for (const one of channel.subscriptions ?? []) lines.push(...subscriptionMetrics(channel.name, one, role));
  }
  return lines.sort();
}

function subscriptionMetrics(channel: string, one: Page, role: string): string[] {
  const [first, second] = (one.queue_name ?? "").split(":");
  const durable = second === undefined ? one.durable_name ?? "" : first;
  const labels = `channel="${channel}",client_id="${one.client_id}",durable_name="${durable}",` +
    `is_durable="${one.is_durable}",is_offline="${one.is_offline}",queue_name="${
      second ?? first
    }",server_role="${role}"`;
  return ["last_sent", "pending_count", "max_inflight"].map((key) => `nss_chan_subs_${key}{${labels}} ${one[key]}`);
}

/** The names of the metrics of a NATS page: every number, and times, by their place. */
export function natsFamilies(endpoint: string, page: Page): string[] {
  const names: string[] = [];
  const visit = (value: Page, path: string) => {
    const isTime = /_(start|config_load_time)$/.test(path);
    const isText = /_(server_id|server_name|version)$/.test(path);
    if (typeof value === "number" || isTime || isText) names.push(path.replace(/[/_]+/g, "_"));
    else if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      for (const [key, inner] of Object.entries(value)) visit(inner, `${path}_${key}`);
    }
  };
  visit(page, `gnatsd_${endpoint}`);
  return names;
}
