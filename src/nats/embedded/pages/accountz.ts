/** `/accountz` and `/accstatz`: the accounts, one of them in detail, and their traffic. */
import type { Account } from "../account.ts";
import { GLOBAL_ACCOUNT } from "../account.ts";
import { BadParameter, timeText } from "./page_texts.ts";
import type { ShownServer } from "./shown_server.ts";
import { statistics } from "./subsz.ts";
import type { Traffic } from "../totals.ts";

/** The names of all accounts; with `acc` one account. Throws BadParameter for an unknown one. */
export function accountz(server: ShownServer, query: URLSearchParams): unknown {
  const name = query.get("acc");
  const { systemAccount } = server.options;
  const heading = {
    server_id: server.serverId,
    now: timeText(server.clock.wall()),
    ...(systemAccount === undefined ? {} : { system_account: systemAccount }),
  };
  if (name === null || name === "") {
    const names = [...server.accounts.keys(), ...(systemAccount === undefined ? [] : [systemAccount])];
    return { ...heading, accounts: [...new Set(names)].sort() };
  }
  const account = server.accounts.get(name);
  if (account === undefined) throw new BadParameter(`Account ${name} does not exist`);
  return { ...heading, account_detail: detail(server, account) };
}

function detail(server: ShownServer, account: Account) {
  return {
    account_name: account.name,
    update_time: timeText(server.started),
    expired: false,
    complete: true,
    jetstream_enabled: false,
    leafnode_connections: 0,
    client_connections: connectionsOf(server, account).length,
    subscriptions: account.tree.localCount,
    ...(server.options.systemAccount === undefined
      ? {}
      : { imports: imports(account.name, server.options.systemAccount) }),
    sublist_stats: statistics([account]),
  };
}

/** What every account gets from the system account by default. */
function imports(name: string, systemAccount: string) {
  return [["CONNZ", "ACCOUNT"], ["CONNZ", "SERVER"], ["STATZ", "ACCOUNT"]].map(([page, whose]) => {
    const subject = `$SYS.REQ.${whose}.PING.${page}`;
    return {
      subject: `$SYS.REQ.ACCOUNT.${name}.${page}`,
      account: systemAccount,
      to: subject,
      local_subject: subject,
      type: "service",
      invalid: false,
      share: false,
      tracking: false,
    };
  });
}

/** The traffic of the accounts named by `acc`, of all when none is. */
export function accstatz(server: ShownServer, query: URLSearchParams): unknown {
  const wanted = query.getAll("acc");
  const accounts = [...server.accounts.values()].filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  return {
    server_id: server.serverId,
    now: timeText(server.clock.wall()),
    account_statz: accounts.map((account) => traffic(server, account)),
  };
}

function traffic(server: ShownServer, account: Account) {
  const connections = connectionsOf(server, account);
  const sum = (of: (each: Traffic) => number) => connections.reduce((total, each) => total + of(each), 0);
  return {
    acc: account.name,
    conns: connections.length,
    leafnodes: 0,
    total_conns: connections.length,
    sent: { msgs: sum((each) => each.outMessages), bytes: sum((each) => each.outBytes) },
    received: { msgs: sum((each) => each.inMessages), bytes: sum((each) => each.inBytes) },
    slow_consumers: 0,
  };
}

/** Clients, and the listed buses of this process, which are in the global account. */
function connectionsOf(server: ShownServer, account: Account): Traffic[] {
  const sessions = [...server.sessions.values()].filter((session) => session.account === account);
  const buses = account.name === GLOBAL_ACCOUNT ? [...server.buses].filter(({ id }) => id > 0) : [];
  return [...sessions, ...buses];
}
