/** `-sl`: signals a server that runs (spec cli-config-monitoring, section 4). */
import type { SignalRequest } from "../config/mod.ts";
import { processesNamed, sendSignal } from "../system/mod.ts";

/** The name that a running server goes by. */
const PROGRAM = "nats-streaming-server";

/** Sends the signal; answers why not, in the words of the reference. */
export function signalServer({ signal, pid }: SignalRequest): string | undefined {
  if (pid !== undefined) return send(pid, signal);
  let running: number[];
  try {
    running = processesNamed(PROGRAM);
  } catch {
    return "unable to resolve pid, try providing one";
  }
  if (running.length === 0) return `no ${PROGRAM} processes running`;
  if (running.length > 1) return `multiple ${PROGRAM} processes running:\n${running.join("\n")}`;
  return send(running[0]!, signal);
}

function send(pid: number, signal: SignalRequest["signal"]): string | undefined {
  try {
    sendSignal(pid, signal);
    return undefined;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return /ESRCH|no such process/i.test(text) ? "no such process" : text;
  }
}
