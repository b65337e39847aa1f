import assert from "node:assert/strict";
import inspector from "node:inspector";
import { eventually } from "../../tests/support/deadline.ts";
import { onSignals, type Signal } from "./signals.ts";

Deno.test({
  name: "onSignals() hears the signals until it is undone",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const heard: Signal[] = [];
    let wake = () => {};
    // Listening for signals alone does not keep the process waiting.
    const waiting = setInterval(() => {}, 1000);
    const stop = onSignals(["SIGUSR2", "SIGHUP"], (signal) => {
      heard.push(signal);
      wake();
    });
    for (const signal of ["SIGHUP", "SIGUSR2"] as const) {
      const arrived = new Promise<void>((resolve) => wake = resolve);
      Deno.kill(Deno.pid, signal);
      await arrived;
    }
    assert.deepEqual(heard, ["SIGHUP", "SIGUSR2"]);
    stop();
    stop();
    clearInterval(waiting);
  },
});

Deno.test("onSignals() leaves away what the system does not have", () => {
  onSignals(["SIGINT", "SIGNONE" as Signal], () => {})();
});

Deno.test({
  name: "SIGUSR1 leaves no inspector of the runtime open, by which others could run code in this process",
  ignore: Deno.build.os === "windows",
  // It is watched for a while longer.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const opened = Promise.withResolvers<void>();
    const waiting = setInterval(() => {}, 1000);
    const stop = onSignals(["SIGUSR1"], () => {
      // As the runtime does, on its usual port and some time after its start.
      if (inspector.url() === undefined) inspector.open(0, "127.0.0.1");
      opened.resolve();
    });
    Deno.kill(Deno.pid, "SIGUSR1");
    await opened.promise;
    await eventually(() => inspector.url() === undefined || undefined, "the end of the inspector", 5_000);
    stop();
    clearInterval(waiting);
  },
});
