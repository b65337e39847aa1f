/** A wire between two servers that keeps what each of them says, one character a byte. */
import { textOf } from "../../src/nats/wire/frames.ts";

export class Tap {
  /** Where to dial instead of the port behind it. */
  readonly port: number;
  /** What those who dialed have said, and what they were told. */
  said = "";
  told = "";
  readonly #listener: Deno.Listener;
  readonly #to: number;
  readonly #connections = new Set<Deno.Conn>();

  constructor(to: number) {
    this.#to = to;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = (this.#listener.addr as Deno.NetAddr).port;
    void this.#accept();
  }

  /** Forgets what it has kept. */
  clear(): void {
    this.said = this.told = "";
  }

  /** Cuts what is connected; new connections are taken. */
  cut(): void {
    for (const connection of this.#connections) close(connection);
    this.#connections.clear();
  }

  close(): void {
    this.#listener.close();
    this.cut();
  }

  async #accept(): Promise<void> {
    for (;;) {
      try {
        const near = await this.#listener.accept();
        const far = await Deno.connect({ hostname: "127.0.0.1", port: this.#to }).catch(() => undefined);
        if (far === undefined) {
          near.close();
          continue;
        }
        for (const one of [near, far] as Deno.TcpConn[]) {
          one.setNoDelay(true);
          this.#connections.add(one);
        }
        void pass(near, far, (text) => this.said += text);
        void pass(far, near, (text) => this.told += text);
      } catch {
        return;
      }
    }
  }
}

async function pass(from: Deno.Conn, to: Deno.Conn, keep: (text: string) => void): Promise<void> {
  const buffer = new Uint8Array(65_536);
  try {
    for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
      keep(textOf(buffer, 0, count));
      for (let at = 0; at < count;) at += await to.write(buffer.subarray(at, count));
    }
  } catch {
    // Cut, by either side or by the test.
  }
  close(from);
  close(to);
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // Closed already.
  }
}
