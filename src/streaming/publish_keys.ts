/** A set of publishes by client and guid, as bytes: nothing is made per message. */
import { sameBytes } from "../protocol/publish_request.ts";

const FIRST_BYTES = 64 * 1024;
const FIRST_KEYS = 1024;
/** Of a key: where its client begins, where its guid begins, where that ends, and the key before of the same hash plus one. */
const FIELDS = 4;

export class PublishKeys {
  /** By hash: the newest key of that hash. */
  readonly #newest = new Map<number, number>();
  #fields = new Int32Array(FIRST_KEYS * FIELDS);
  #bytes = new Uint8Array(FIRST_BYTES);
  #used = 0;
  /** How many keys were added. */
  size = 0;

  add(
    client: Uint8Array,
    clientStart: number,
    clientEnd: number,
    guid: Uint8Array,
    guidStart: number,
    guidEnd: number,
  ): void {
    const clientLength = clientEnd - clientStart;
    const end = this.#used + clientLength + guidEnd - guidStart;
    if (end > this.#bytes.length) {
      this.#bytes = grown(this.#bytes, new Uint8Array(Math.max(end, 2 * this.#bytes.length)));
    }
    const at = this.size * FIELDS;
    if (at === this.#fields.length) this.#fields = grown(this.#fields, new Int32Array(2 * at));
    this.#bytes.set(client.subarray(clientStart, clientEnd), this.#used);
    this.#bytes.set(guid.subarray(guidStart, guidEnd), this.#used + clientLength);
    const hash = hashOf(guid, guidStart, guidEnd);
    this.#fields[at] = this.#used;
    this.#fields[at + 1] = this.#used + clientLength;
    this.#fields[at + 2] = this.#used = end;
    this.#fields[at + 3] = (this.#newest.get(hash) ?? -1) + 1;
    this.#newest.set(hash, this.size++);
  }

  has(
    client: Uint8Array,
    clientStart: number,
    clientEnd: number,
    guid: Uint8Array,
    guidStart: number,
    guidEnd: number,
  ): boolean {
    const fields = this.#fields;
    let key = this.#newest.get(hashOf(guid, guidStart, guidEnd)) ?? -1;
    for (; key >= 0; key = fields[key * FIELDS + 3]! - 1) {
      const at = key * FIELDS;
      const middle = fields[at + 1]!;
      if (
        sameBytes(this.#bytes, middle, fields[at + 2]!, guid, guidStart, guidEnd) &&
        sameBytes(this.#bytes, fields[at]!, middle, client, clientStart, clientEnd)
      ) return true;
    }
    return false;
  }
}

function grown<T extends Uint8Array | Int32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** FNV-1a, 31 bits. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash & 0x7fffffff;
}
