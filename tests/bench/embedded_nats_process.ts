/** The embedded NATS server alone in a process, for benches: prints its port and runs until it is killed. */
import { startEmbedded } from "../support/embedded_nats.ts";

const server = await startEmbedded();
console.log(server.address.port);
setInterval(() => {}, 1_000_000);
