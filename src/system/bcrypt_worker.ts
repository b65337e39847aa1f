/** The other end of `bcrypt_thread.ts`: answers questions, one after the other. Only ever loaded as a worker. */
import { type BcryptAnswer, type BcryptQuestion, sameAsHash } from "./bcrypt.ts";

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<BcryptQuestion>) => void;
  postMessage(answer: BcryptAnswer): void;
};

scope.onmessage = (event) => {
  void sameAsHash(event.data).then((same) => scope.postMessage({ id: event.data.id, same }));
};
