/** An existing NATS server: options → client connections. */
import type { Options, StreamingOptions } from "../config/mod.ts";
import type { MessageBus } from "../ports/message_bus.ts";
import { type ClientBusOptions, connectBus, serverUrls } from "../nats/client/mod.ts";
import { StartFailed } from "../protocol/errors.ts";
import type { BusPlugin, Nats, System } from "../registry.ts";
import { optionalTextFile } from "./texts.ts";

export const externalNats: BusPlugin = {
  async start(options, system): Promise<Nats> {
    const { streaming } = options;
    const base = clientOptions(streaming, system);
    const buses: MessageBus[] = [];
    const connect = async (role: string) => {
      const bus = await open({ ...base, name: `_NSS-${streaming.clusterId}-${role}` }, system);
      buses.push(bus);
      return bus;
    };
    return {
      url: base.servers[0] ?? "",
      connect,
      page: () => undefined,
      reload() {},
      async close() {
        await Promise.all(buses.map((bus) => bus.close()));
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

function clientOptions(streaming: StreamingOptions, { files }: System): Omit<ClientBusOptions, "name"> {
  const { tls } = streaming;
  const secured = streaming.secure || tls.clientCert !== "" || tls.clientCa !== "" || tls.insecure ||
    tls.serverName !== "";
  return {
    servers: serverUrls(streaming.natsServer),
    user: streaming.username || undefined,
    password: streaming.password || undefined,
    token: streaming.token || undefined,
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
