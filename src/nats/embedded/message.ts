/** One published message on its way, as offsets: filled by whoever publishes, read by whoever it is delivered to. */
import { textOf } from "../wire/frames.ts";

const none = new Uint8Array(0);

/**
 * Reused for every message of one publisher. All offsets but the payload's are in `buffer`; the payload may be elsewhere.
 */
export class Message {
  buffer: Uint8Array = none;
  subjectStart = 0;
  subjectEnd = 0;
  /** Equal to `replyEnd` without a reply subject. */
  replyStart = 0;
  replyEnd = 0;
  /** The size as the publisher spelled it, e.g. `0000002`: it is passed on unchanged. */
  sizeStart = 0;
  sizeEnd = 0;
  /** The header size as spelled; empty without headers. */
  headerSizeStart = 0;
  headerSizeEnd = 0;
  /**
   * `[reply ][header-size ]size CR LF`, then the payload and CR LF, stand in `buffer` from here to `tailEnd` exactly as a
   * recipient must get them. -1 when they do not.
   */
  tailStart = -1;
  tailEnd = -1;
  /** Header block included, line end not. */
  payload: Uint8Array = none;
  payloadStart = 0;
  payloadEnd = 0;
  /** Bytes of the header block; 0 without one. */
  headerSize = 0;
  /** Who published it: a session or bus, nobody for messages from a route. */
  origin: object | undefined = undefined;

  get hasReply(): boolean {
    return this.replyEnd > this.replyStart;
  }
  get size(): number {
    return this.payloadEnd - this.payloadStart;
  }
  /** The subject with one character a byte; for the rare paths that need a text. */
  get subjectText(): string {
    return textOf(this.buffer, this.subjectStart, this.subjectEnd);
  }
  /** As {@link subjectText}; empty without a reply subject. */
  get replyText(): string {
    return textOf(this.buffer, this.replyStart, this.replyEnd);
  }
}
