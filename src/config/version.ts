/** Which server this is and which it stands for. */

/** The version of the reference whose behaviour this server has; shown in logs and monitoring. */
export const VERSION = "0.25.6";

/** The NATS server version that the embedded server stands for. */
export const NATS_VERSION = "2.9.24";

/** The line of `-version`. */
export const VERSION_LINE = `nats-streaming-server version ${VERSION}, nats-server: v${NATS_VERSION}`;
