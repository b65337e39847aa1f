/** The signals that a server listens to. */
import { keepInspectorShut } from "./inspector.ts";

export type Signal = "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGUSR1" | "SIGUSR2" | "SIGQUIT";

/**
 * Calls `handler` for each signal until the returned function is called. A signal that this system does not have is left
 * away: Windows knows only some of them.
 */
export function onSignals(signals: readonly Signal[], handler: (signal: Signal) => void): () => void {
  const undo: (() => void)[] = [];
  for (const signal of signals) {
    const listener = () => {
      if (signal === "SIGUSR1") void keepInspectorShut();
      handler(signal);
    };
    try {
      Deno.addSignalListener(signal, listener);
    } catch {
      continue;
    }
    undo.push(() => Deno.removeSignalListener(signal, listener));
  }
  return () => {
    for (const remove of undo.splice(0)) remove();
  };
}
