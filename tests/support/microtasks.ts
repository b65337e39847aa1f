/**
 * Runs what promises have put off, now and to the end, from within a callback: a simulated world then needs no real turn
 * of the event loop for an instant of its own time, which is what most of its time went into.
 */

interface DenoCore {
  runMicrotasks(): void;
}

const core = (Deno as unknown as Record<symbol, { readonly core: DenoCore }>)[
  (Deno as unknown as { readonly internal: symbol }).internal
]!.core;

/** Runs every reaction of a promise that is due, and those that come of it. Only inside {@link inMacrotask}. */
export function runMicrotasks(): void {
  core.runMicrotasks();
}

/**
 * Calls `run` where {@link runMicrotasks} works: not from a promise's reaction. What it throws rejects, and so does what it
 * leaves unhandled, where that `matters`.
 */
export async function inMacrotask<T>(
  run: () => T,
  matters: (error: unknown) => boolean = () => true,
): Promise<T> {
  const unhandled: unknown[] = [];
  const note = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    if (matters(event.reason)) unhandled.push(event.reason);
  };
  globalThis.addEventListener("unhandledrejection", note);
  try {
    const result = await new Promise<T>((resolve, reject) => {
      setImmediate(() => {
        try {
          resolve(run());
        } catch (error) {
          reject(error);
        }
      });
    });
    await new Promise((resolve) => setImmediate(resolve));
    if (unhandled.length > 0) throw unhandled[0];
    return result;
  } finally {
    // What was rejected last is told only now.
    await new Promise((resolve) => setImmediate(resolve));
    globalThis.removeEventListener("unhandledrejection", note);
  }
}
