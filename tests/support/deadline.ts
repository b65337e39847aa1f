/** Bounds a wait in time, so that a scenario fails with a reason instead of hanging. */

/** `promise`, or a rejection with what `problem` gives when it has not settled after `limit` milliseconds. */
export async function deadline<T>(promise: Promise<T>, limit: number, problem: () => Error): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(problem()), limit);
  });
  try {
    return await Promise.race([promise, over]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again and again until the answer is not `undefined`: for what tells nobody when it changes, as a page does. */
export async function eventually<T>(
  ask: () => Promise<T | undefined> | T | undefined,
  what: string,
  limit = 40_000,
): Promise<T> {
  const end = performance.now() + limit;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > end) throw new Error(`${what} did not happen within ${limit} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
