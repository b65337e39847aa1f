/** Options in the words of the configuration fixtures, so that both can be compared whole. */
import type { NatsOptions, NatsPermissions } from "../../src/config/nats_options.ts";
import type { ChannelLimitsEntry, Options, StreamingOptions } from "../../src/config/options.ts";
import type { Millis } from "../../src/config/units.ts";

/** The full set of options as `tests/golden/config/_defaults.json` lists them. */
export function fixtureView({ streaming, nats }: Options): Record<string, unknown> {
  return { streaming: streamingView(streaming), nats: natsView(nats) };
}

function nanoseconds(millis: Millis): number {
  return millis * 1e6;
}

function streamingView(options: StreamingOptions): Record<string, unknown> {
  const { tls, limits, file, sql, cluster } = options;
  return {
    cluster_id: options.clusterId,
    discover_prefix: options.discoverPrefix,
    store: options.store,
    dir: options.dir,
    stan_debug: options.debug,
    stan_trace: options.trace,
    nats_server: options.natsServer,
    credentials: options.credentials,
    username: options.username,
    password: options.password,
    token: options.token,
    nkey_seed_file: options.nkeySeedFile,
    secure: options.secure,
    tls: {
      client_cert: tls.clientCert,
      client_key: tls.clientKey,
      client_ca: tls.clientCa,
      server_name: tls.serverName,
      insecure: tls.insecure,
    },
    hb_interval_ns: nanoseconds(options.heartbeatInterval),
    hb_timeout_ns: nanoseconds(options.heartbeatTimeout),
    hb_fail_count: options.heartbeatFailCount,
    ft_group: options.ftGroup,
    partitioning: options.partitioning,
    syslog_name: options.syslogName,
    encrypt: options.encrypt,
    encryption_cipher: options.encryptionCipher,
    encryption_key: options.encryptionKey,
    replace_durable: options.replaceDurable,
    io_batch_size: options.ioBatchSize,
    io_sleep_time: options.ioSleepTime,
    store_limits: {
      max_channels: limits.maxChannels,
      ...limitsView(limits),
      channels: Object.fromEntries(limits.channels.map((entry) => [entry.name, limitsView(entry)])),
    },
    file_options: fileView(file),
    sql_options: {
      driver: sql.driver,
      source: sql.source,
      no_caching: sql.noCaching,
      max_open_conns: sql.maxOpenConnections,
      bulk_insert_limit: sql.bulkInsertLimit,
    },
    cluster: clusterView(cluster),
  };
}

function limitsView(limits: Omit<ChannelLimitsEntry, "name">): Record<string, unknown> {
  return {
    max_subs: limits.maxSubscriptions,
    max_msgs: limits.maxMessages,
    max_bytes: limits.maxBytes,
    max_age_ns: Number(limits.maxAge),
    max_inactivity_ns: Number(limits.maxInactivity),
  };
}

function fileView(file: StreamingOptions["file"]): Record<string, unknown> {
  return {
    compact: file.compact,
    compact_fragmentation: file.compactFragmentation,
    compact_interval: file.compactInterval,
    compact_min_size: file.compactMinSize,
    buffer_size: file.bufferSize,
    crc: file.crc,
    crc_poly: file.crcPolynomial,
    sync_on_flush: file.syncOnFlush,
    slice_max_msgs: file.sliceMaxMessages,
    slice_max_bytes: file.sliceMaxBytes,
    slice_max_age_ns: Number(file.sliceMaxAge),
    slice_archive_script: file.sliceArchiveScript,
    file_descriptors_limit: file.fileDescriptorsLimit,
    parallel_recovery: file.parallelRecovery,
    read_buffer_size: file.readBufferSize,
    auto_sync_ns: nanoseconds(file.autoSync),
    truncate_bad_eof: file.truncateUnexpectedEof,
  };
}

function clusterView(cluster: StreamingOptions["cluster"]): Record<string, unknown> {
  return {
    clustered: cluster.clustered,
    node_id: cluster.nodeId,
    bootstrap: cluster.bootstrap,
    peers: cluster.peers,
    log_path: cluster.logPath,
    log_cache_size: cluster.logCacheSize,
    log_snapshots: cluster.logSnapshots,
    trailing_logs: cluster.trailingLogs,
    sync: cluster.sync ?? false,
    raft_logging: cluster.raftLogging,
    proceed_on_restore_failure: cluster.proceedOnRestoreFailure,
    allow_add_remove_node: cluster.allowAddRemoveNode,
    bolt_free_list_sync: cluster.boltFreeListSync,
    bolt_free_list_map: cluster.boltFreeListMap,
    nodes_connections: cluster.nodesConnections,
    raft_heartbeat_timeout_ns: nanoseconds(cluster.raftHeartbeatTimeout),
    raft_election_timeout_ns: nanoseconds(cluster.raftElectionTimeout),
    raft_lease_timeout_ns: nanoseconds(cluster.raftLeaseTimeout),
    raft_commit_timeout_ns: nanoseconds(cluster.raftCommitTimeout),
  };
}

function natsView(nats: NatsOptions): Record<string, unknown> {
  return {
    ...loggingView(nats),
    config_file: nats.configFile,
    server_name: nats.serverName,
    host: nats.host,
    port: nats.port,
    client_advertise: nats.clientAdvertise,
    pid_file: nats.pidFile,
    ports_file_dir: nats.portsFileDir,
    prof_port: nats.profPort,
    http_host: nats.httpHost,
    http_port: nats.httpPort,
    https_port: nats.httpsPort,
    http_base_path: nats.httpBasePath,
    ...securityView(nats),
    ...natsLimitsView(nats),
    no_header_support: nats.noHeaderSupport,
    disable_sublist_cache: nats.disableSublistCache,
    server_tags: nats.serverTags,
    store_dir: nats.storeDir,
    jetstream: nats.jetstream,
    routes: nats.routes,
    routes_flag: nats.routesFlag,
    cluster: {
      name: nats.cluster.name,
      host: nats.cluster.host,
      port: nats.cluster.port,
      listen_flag: nats.cluster.listenFlag,
      user: nats.cluster.user,
      password: nats.cluster.password,
      auth_timeout: nats.cluster.authTimeout,
      advertise: nats.cluster.advertise,
      no_advertise: nats.cluster.noAdvertise,
      connect_retries: nats.cluster.connectRetries,
      tls_configured: nats.cluster.tls !== undefined,
      permissions: nats.cluster.permissions,
    },
  };
}

function loggingView(nats: NatsOptions): Record<string, unknown> {
  return {
    debug: nats.debug,
    trace: nats.trace,
    trace_verbose: nats.traceVerbose,
    logtime: nats.logtime,
    logtime_utc: nats.logtimeUtc,
    log_file: nats.logFile,
    log_size_limit: nats.logSizeLimit,
    syslog: nats.syslog,
    remote_syslog: nats.remoteSyslog,
  };
}

function securityView(nats: NatsOptions): Record<string, unknown> {
  const byName = <T extends { user?: string }>(left: T, right: T) => (left.user ?? "") < (right.user ?? "") ? -1 : 1;
  return {
    user: nats.user,
    password: nats.password,
    token: nats.token,
    auth_timeout: nats.authTimeout,
    users: nats.users.toSorted(byName).map(userView),
    nkeys: nats.nkeys.map(userView),
    accounts: nats.accounts.map((account) => account.name).sort(),
    no_auth_user: nats.noAuthUser,
    system_account: nats.systemAccount,
    no_system_account: nats.noSystemAccount,
    allow_non_tls: nats.allowNonTls,
    tls_configured: nats.tls !== undefined,
    tls_timeout: nats.tls?.timeout ?? 0,
    tls_map: nats.tls?.verifyAndMap ?? false,
  };
}

function userView(user: NatsOptions["users"][number] | NatsOptions["nkeys"][number]): Record<string, unknown> {
  const { permissions, allowedConnectionTypes, ...rest } = user;
  return {
    ...rest,
    ...(permissions === undefined ? {} : { permissions: permissionsView(permissions) }),
    ...(allowedConnectionTypes === undefined ? {} : { allowed_connection_types: allowedConnectionTypes }),
  };
}

function permissionsView({ allowResponses, ...rest }: NatsPermissions): Record<string, unknown> {
  if (allowResponses === undefined) return rest;
  return { ...rest, allow_responses: { max: allowResponses.max, expires_ns: nanoseconds(allowResponses.expires) } };
}

function natsLimitsView(nats: NatsOptions): Record<string, unknown> {
  return {
    max_connections: nats.maxConnections,
    max_subscriptions: nats.maxSubscriptions,
    max_sub_tokens: nats.maxSubTokens,
    max_control_line: nats.maxControlLine,
    max_payload: nats.maxPayload,
    max_pending: nats.maxPending,
    max_traced_msg_len: nats.maxTracedMsgLen,
    ping_interval_ns: nanoseconds(nats.pingInterval),
    ping_max: nats.pingMax,
    write_deadline_ns: nanoseconds(nats.writeDeadline),
    lame_duck_duration_ns: nanoseconds(nats.lameDuckDuration),
    lame_duck_grace_period_ns: nanoseconds(nats.lameDuckGracePeriod),
    connect_error_reports: nats.connectErrorReports,
    reconnect_error_reports: nats.reconnectErrorReports,
  };
}
