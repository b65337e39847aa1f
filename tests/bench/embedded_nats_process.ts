/** The embedded NATS server alone in a process, for benches: prints its port and runs until it is killed. Argument: `tls`. */
import { serverIdentity } from "../support/certificates.ts";
import { startEmbedded } from "../support/embedded_nats.ts";

const server = await startEmbedded(Deno.args[0] === "tls" ? { tls: serverIdentity } : {});
console.log(server.address.port);
setInterval(() => {}, 1_000_000);
