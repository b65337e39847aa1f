/** A set of publishes by client and guid, as bytes: nothing is made per message. */
import { MARKS, type PackedMessages } from "../protocol/operations.ts";
import { copyBytes, sameBytes } from "../protocol/publish_request.ts";

const FIRST_BYTES = 64 * 1024;
const FIRST_KEYS = 1024;
/** Of a key: where its client begins, where its guid begins, where that ends, and its hash. */
const FIELDS = 4;
/** A table of slots is at most half full. */
const FIRST_SLOTS = 2 * FIRST_KEYS;

export class PublishKeys {
  /** The key plus one, in the first free slot from that of its hash on; 0: free. The length is a power of two. */
  #slots = new Int32Array(FIRST_SLOTS);
  #fields = new Int32Array(FIRST_KEYS * FIELDS);
  #bytes = new Uint8Array(FIRST_BYTES);
  #used = 0;
  /** How many keys were added. */
  size = 0;

  /** Adds those of some messages that somebody waits for. */
  add({ count, bytes, bounds }: PackedMessages): void {
    for (let i = 0; i < count * MARKS; i += MARKS) {
      if (bounds[i + 2] === bounds[i + 3]) continue;
      this.#add(bytes, bounds[i + 3]!, bounds[i + 4]!, bounds[i + 1]!, bounds[i + 2]!);
    }
  }

  #add(bytes: Uint8Array, clientStart: number, clientEnd: number, guidStart: number, guidEnd: number): void {
    const clientLength = clientEnd - clientStart;
    const end = this.#used + clientLength + guidEnd - guidStart;
    if (end > this.#bytes.length) {
      this.#bytes = grown(this.#bytes, new Uint8Array(Math.max(end, 2 * this.#bytes.length)));
    }
    const at = this.size * FIELDS;
    if (at === this.#fields.length) this.#fields = grown(this.#fields, new Int32Array(2 * at));
    copyBytes(bytes, clientStart, clientEnd, this.#bytes, this.#used);
    copyBytes(bytes, guidStart, guidEnd, this.#bytes, this.#used + clientLength);
    const hash = hashOf(bytes, guidStart, guidEnd);
    this.#fields[at] = this.#used;
    this.#fields[at + 1] = this.#used + clientLength;
    this.#fields[at + 2] = this.#used = end;
    this.#fields[at + 3] = hash;
    if (2 * this.size >= this.#slots.length) this.#spread();
    this.#place(this.size++, hash);
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
    const slots = this.#slots;
    const mask = slots.length - 1;
    const hash = hashOf(guid, guidStart, guidEnd);
    for (let slot = hash & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const at = (slots[slot]! - 1) * FIELDS;
      if (fields[at + 3] !== hash) continue;
      const middle = fields[at + 1]!;
      if (
        sameBytes(this.#bytes, middle, fields[at + 2]!, guid, guidStart, guidEnd) &&
        sameBytes(this.#bytes, fields[at]!, middle, client, clientStart, clientEnd)
      ) return true;
    }
    return false;
  }

  #place(key: number, hash: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = hash & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = key + 1;
  }

  #spread(): void {
    this.#slots = new Int32Array(2 * this.#slots.length);
    for (let key = 0; key < this.size; key++) this.#place(key, this.#fields[key * FIELDS + 3]!);
  }
}

function grown<T extends Uint8Array | Int32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** FNV-1a; the low bits of it are the best mixed. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash ^ (hash >>> 15);
}
