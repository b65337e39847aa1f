/**
 * The runtime takes SIGUSR1, by which operators rotate log files, as a wish for its inspector as well: a port of this
 * machine (9229) on which anybody here may run code in this process. Nothing that the runtime offers prevents that.
 */
const WATCH_MS = 2000;
const STEP_MS = 5;

/** Closes the inspector whenever it is open, for two seconds from a SIGUSR1 on. Does not keep the process alive. */
export async function keepInspectorShut(): Promise<void> {
  const { default: inspector } = await import("node:inspector");
  const end = performance.now() + WATCH_MS;
  const timer = setInterval(() => {
    if (inspector.url() !== undefined) inspector.close();
    if (performance.now() > end) clearInterval(timer);
  }, STEP_MS);
  Deno.unrefTimer(timer);
}
