/** Commands of all kinds as a client may send them, and what a parser makes of them, for tests of split input. */
import { Failure, FrameParser } from "../../src/nats/wire/parser.ts";
import { clientVerbs } from "../../src/nats/wire/verbs.ts";
import { bytesOf, quietConnect } from "./raw_nats_client.ts";
import { SeededRandom } from "./seeded_random.ts";

/** A valid script of about so many bytes; whoever runs it subscribes to what it publishes. */
export function mixedScript(size: number, seed: number): Uint8Array<ArrayBuffer> {
  const chance = new SeededRandom(seed);
  const next = (bound: number) => chance.below(bound);
  const parts = [
    quietConnect({ headers: true, no_responders: true }),
    "SUB a.> 1\r\nSUB a.b 2\r\nSUB inbox.* 3\r\n",
  ];
  let length = 0;
  for (let i = 0; length < size; i++) {
    const payload = String.fromCharCode(33 + next(90)).repeat(next(20) === 0 ? next(20_000) : next(400));
    const command = commandOf(next(8), payload, i, next);
    parts.push(command);
    length += command.length;
  }
  return bytesOf(parts.join(""));
}

function commandOf(kind: number, payload: string, i: number, next: (bound: number) => number): string {
  const { length } = payload;
  switch (kind) {
    case 0:
      return `PUB a.b ${length}\r\n${payload}\r\n`;
    case 1:
      return `pub\ta.c.${next(50)}  r ${length} \n${payload}\r\n`;
    case 2:
      return `HPUB a.b 12 ${12 + length}\r\nNATS/1.0\r\n\r\n${payload}\r\n`;
    case 3:
      return `hPuB  a.b  r  018\t${18 + length} \r\nNATS/1.0\r\nA: b\r\n\r\n${payload}\r\n`;
    case 4:
      return `PUB nobody inbox.${i} 0\r\n\r\n`;
    case 5:
      return `SUB a.${next(9)} s${i}\r\nUNSUB s${i} ${1 + next(3)}\r\n`;
    case 6:
      return `PING${"x".repeat(next(3) * next(40))}\r\n`;
    default:
      return "+OK\r\nPONG\n";
  }
}

/** Ends of the pieces into which a script of `length` bytes falls; some seeds make many small ones, some few large ones. */
export function splitsOf(length: number, seed: number): number[] {
  const chance = new SeededRandom(seed);
  const next = (bound: number) => chance.below(bound);
  const largest = 1 + (1 << (4 + next(15)));
  const ends: number[] = [];
  for (let at = 0; at < length;) ends.push(at = Math.min(length, at + 1 + next(largest)));
  return ends;
}

/** A number that stands for all frames of a script, in their order, when it comes in pieces that end at `ends`. */
export function framesIn(script: Uint8Array, ends: readonly number[]): { digest: number; count: number } {
  let digest = 0;
  let count = 0;
  const parser = new FrameParser(clientVerbs, { maxPayload: 1 << 20, maxControlLine: 4_096 }, {
    frame: (found) => {
      count++;
      digest = mix(digest, found.verb);
      digest = mix(digest, found.headerSize);
      const isText = found.verb >= 7 && found.verb <= 10;
      const tokens = isText ? 0 : 2 * found.tokenCount;
      // Places, not bytes: the script is the same.
      for (let i = 0; i < tokens; i++) digest = mix(digest, found.tokens[i]!);
      if (found.verb <= 2) {
        digest = mix(mix(mix(digest, found.payloadStart), found.payloadEnd), Number(found.canonical));
      }
      return true;
    },
  });
  let at = 0;
  for (const end of ends) at = parser.push(script, at, end);
  if (parser.failure !== Failure.None || at !== script.length) throw new Error(`stopped at ${at} of ${script.length}`);
  return { digest, count };
}

function mix(digest: number, value: number): number {
  return Math.imul(digest ^ value, 0x01000193) ^ (digest >>> 15);
}
