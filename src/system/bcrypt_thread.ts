/** Bcrypt on a thread of its own: one comparison takes a tenth of a second or more, and messages must not wait for it. */
import type { PasswordHasher } from "../ports/password_hasher.ts";
import { type BcryptAnswer, type BcryptQuestion, sameAsHash } from "./bcrypt.ts";

interface Waiting {
  readonly question: BcryptQuestion;
  readonly resolve: (same: boolean) => void;
}

/** Compares passwords beside this thread. Hold one per process and close it at the end. */
export function systemPasswordHasher(): PasswordHasher {
  return new BcryptThread();
}

/** Starts its thread when first asked. Where that is not possible, comparisons run here, in slices. */
class BcryptThread implements PasswordHasher {
  #worker: Worker | undefined;
  #failed = false;
  #lastId = 0;
  readonly #waiting = new Map<number, Waiting>();

  compare(password: string, hash: string): Promise<boolean> {
    const question = { id: ++this.#lastId, password, hash };
    if (this.#failed) return sameAsHash(question);
    return new Promise((resolve) => {
      this.#waiting.set(question.id, { question, resolve });
      this.#start().postMessage(question);
    });
  }

  close(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    for (const { resolve } of this.#waiting.values()) resolve(false);
    this.#waiting.clear();
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(new URL("./bcrypt_worker.ts", import.meta.url), { type: "module", name: "bcrypt" });
    worker.onmessage = (event: MessageEvent<BcryptAnswer>) => {
      this.#waiting.get(event.data.id)?.resolve(event.data.same);
      this.#waiting.delete(event.data.id);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#failed = true;
      worker.terminate();
      for (const { question, resolve } of this.#waiting.values()) void sameAsHash(question).then(resolve);
      this.#waiting.clear();
    };
    this.#worker = worker;
    return worker;
  }
}
