import assert from "node:assert/strict";
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
