/** An existing NATS server: options → client connections. */
import type { Options } from "../config/mod.ts";
import type { MessageBus } from "../ports/message_bus.ts";
import { type ClientBusOptions, connectBus, serverUrls } from "../nats/client/mod.ts";
import { unusedNatsServer } from "../nats/embedded/mod.ts";
import { StartFailed } from "../protocol/errors.ts";
import type { BusPlugin, Nats, System } from "../registry.ts";
import { embeddedOptions, monitoringPage } from "./embedded_nats.ts";
import { optionalTextFile } from "./texts.ts";

const UNVERIFIED = "TLS certificate chain and hostname will not be verified. DO NOT USE IN PRODUCTION!";

export const externalNats: BusPlugin = {
  async start(options, system): Promise<Nats> {
    const { streaming } = options;
    const base = clientOptions(options, system);
    let warned = !streaming.tls.insecure;
    const buses: MessageBus[] = [];
    const { network, clock, random, natsLog } = system;
    const unused = unusedNatsServer(embeddedOptions(options, system), { network, clock, random, log: natsLog });
    const connect = async (role: string) => {
      const bus = await open({ ...base, name: `_NSS-${streaming.clusterId}-${role}` }, system);
      buses.push(bus);
      if (!warned) system.log.warn(UNVERIFIED);
      warned = true;
      return bus;
    };
    return {
      url: base.servers[0] ?? "",
      connect,
      page: (path, query) => monitoringPage(unused, options.nats, path, query),
      reload() {},
      async close() {
        await Promise.all(buses.map((bus) => bus.close()));
        await unused.close();
      },
    };
  },
};

async function open(options: ClientBusOptions, { network, clock, random, log }: System): Promise<MessageBus> {
  try {
    return await connectBus(options, { network, clock, random, log });
  } catch (error) {
    throw error instanceof Error ? new StartFailed(error.message, 1, { cause: error }) : error;
  }
}

function clientOptions({ nats, streaming }: Options, { files }: System): Omit<ClientBusOptions, "name"> {
  const { tls } = streaming;
  // `-user` and its like come first (spec cli-config-monitoring, section 7).
  const { user, password } = nats.user === "" ? { user: streaming.username, password: streaming.password } : nats;
  const secured = streaming.secure || tls.clientCert !== "" || tls.clientCa !== "" || tls.insecure ||
    tls.serverName !== "";
  return {
    servers: serverUrls(streaming.natsServer),
    user: user || undefined,
    password: password || undefined,
    token: nats.token || streaming.token || undefined,
    credentials: optionalTextFile(files, streaming.credentials, "credentials"),
    nkeySeed: optionalTextFile(files, streaming.nkeySeedFile, "nkey seed"),
    ...(secured
      ? {
        tls: {
          authorities: optionalTextFile(files, tls.clientCa, "certificate authority"),
          certificate: optionalTextFile(files, tls.clientCert, "client certificate"),
          key: optionalTextFile(files, tls.clientKey, "client key"),
          serverName: tls.serverName || undefined,
          insecure: tls.insecure,
        },
      }
      : {}),
  };
}

/** Whether these options ask for an existing NATS server. */
export function isExternal(options: Options): boolean {
  return options.streaming.natsServer !== "";
}
