/**
 * Protobuf (proto3), declared once: a declaration gives the type, the encoder and the decoder of a message. Writers emit
 * fields in ascending number and omit zero and empty values; readers skip unknown fields and accept any order (spec
 * streaming, section 1.1). Text that is not UTF-8 is read with replacement characters, never refused.
 *
 *     const Ping = message({ connId: bytes(1) });
 *     type Ping = Message<typeof Ping>;
 *     Ping.encode({ connId });  Ping.decode(payload);
 */
import { decodeText, encodeText } from "./text.ts";
import { Malformed, varint64Length, varintLength, VarintReader, writeVarint, writeVarint64 } from "./varint.ts";

const VARINT = 0;
const LENGTH_DELIMITED = 2;
const NOTHING = new Uint8Array(0);

/** How one field is written and read. `T` is its type in the message. */
interface Field<T> {
  readonly number: number;
  readonly wireType: number;
  /** An empty value; a fresh one where it could be changed. */
  empty(): T;
  /** Size of the field with its tag; 0 when it is omitted. */
  size(value: T): number;
  write(value: T, into: Uint8Array, at: number): number;
  /** Reads one occurrence; `previous` is what earlier ones gave. */
  read(reader: VarintReader, bytes: Uint8Array, end: number, previous: T): T;
}

// deno-lint-ignore no-explicit-any -- a declaration holds fields of any type; `Message` takes them apart again
type Fields = Record<string, Field<any>>;

/** A declared message: see the head of this file. */
export interface Declared<F extends Fields> {
  encode(value: Partial<Values<F>>): Uint8Array;
  /** Throws Malformed. */
  decode(bytes: Uint8Array, start?: number, end?: number): Values<F>;
  /** `value` with every missing field empty. */
  complete(value: Partial<Values<F>>): Values<F>;
  /** Encoded size in bytes. */
  size(value: Partial<Values<F>>): number;
  /** Encodes at `at` and returns the offset behind it; `into` must have room for {@link size}. */
  encodeInto(value: Partial<Values<F>>, into: Uint8Array, at: number): number;
}

type Values<F extends Fields> = { -readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never };

/** The type of the values of a declared message. */
export type Message<D> = D extends Declared<infer F> ? Values<F> : never;

/** Declares a message. Field numbers must ascend. */
export function message<F extends Fields>(fields: F): Declared<F> {
  const names = Object.keys(fields);
  const list = names.map((name) => fields[name]!);
  const byNumber = new Map(list.map((field, i) => [field.number, i]));
  type V = Record<string, unknown>;

  function size(value: V): number {
    let total = 0;
    for (let i = 0; i < list.length; i++) {
      const field = value[names[i]!];
      if (field !== undefined) total += list[i]!.size(field);
    }
    return total;
  }

  function encodeInto(value: V, into: Uint8Array, at: number): number {
    for (let i = 0; i < list.length; i++) {
      const field = value[names[i]!];
      if (field !== undefined && list[i]!.size(field) > 0) at = list[i]!.write(field, into, at);
    }
    return at;
  }

  function complete(value: V): V {
    const all: V = {};
    for (let i = 0; i < list.length; i++) all[names[i]!] = value[names[i]!] ?? list[i]!.empty();
    return all;
  }

  function decode(bytes: Uint8Array, start = 0, end = bytes.length): V {
    const value = complete({});
    const reader = new VarintReader();
    reader.reset(bytes, start, end);
    while (!reader.done) {
      const tag = reader.readNumber();
      const index = byNumber.get(Math.floor(tag / 8));
      if (tag < 8) throw new Malformed("field number 0", reader.at);
      const field = index === undefined ? undefined : list[index]!;
      if (field === undefined) reader.skip(tag & 7);
      else if (readable(field, tag & 7)) value[names[index!]!] = field.read(reader, bytes, end, value[names[index!]!]);
      else throw new Malformed(`wire type ${tag & 7} for field ${field.number}`, reader.at);
    }
    return value;
  }

  const declared = {
    size,
    complete,
    decode,
    encodeInto,
    encode(value: V): Uint8Array {
      const bytes = new Uint8Array(size(value));
      encodeInto(value, bytes, 0);
      return bytes;
    },
  };
  return declared as unknown as Declared<F>;
}

function readable(field: Field<unknown>, wireType: number): boolean {
  return wireType === field.wireType;
}

function tagLength(number: number): number {
  return varintLength(number * 8);
}

function lengthDelimitedSize(number: number, length: number): number {
  return tagLength(number) + varintLength(length) + length;
}

function readLength(reader: VarintReader, end: number): number {
  const length = reader.readNumber();
  if (reader.at + length > end) throw new Malformed("field ends early", reader.at);
  return length;
}

/** The bytes a text takes in UTF-8, without encoding it. */
function utf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) continue;
    if (code < 0x800) length += 1;
    else if (code >= 0xd800 && code < 0xdc00 && isLowSurrogate(text.charCodeAt(i + 1))) {
      length += 2;
      i++;
    } else length += 2;
  }
  return length;
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code < 0xe000;
}

export function string(number: number): Field<string> {
  return {
    number,
    wireType: LENGTH_DELIMITED,
    empty: () => "",
    size: (value) => value === "" ? 0 : lengthDelimitedSize(number, utf8Length(value)),
    write(value, into, at) {
      at = writeVarint(into, at, number * 8 + LENGTH_DELIMITED);
      const length = utf8Length(value);
      at = writeVarint(into, at, length);
      encodeText(value, into, at);
      return at + length;
    },
    read(reader, bytes, end) {
      const length = readLength(reader, end);
      const text = decodeText(bytes, reader.at, reader.at + length);
      reader.at += length;
      return text;
    },
  };
}

/** Bytes. What decoding gives is a copy. */
export function bytes(number: number): Field<Uint8Array> {
  return {
    number,
    wireType: LENGTH_DELIMITED,
    empty: () => NOTHING,
    size: (value) => value.length === 0 ? 0 : lengthDelimitedSize(number, value.length),
    write(value, into, at) {
      at = writeVarint(into, at, number * 8 + LENGTH_DELIMITED);
      at = writeVarint(into, at, value.length);
      into.set(value, at);
      return at + value.length;
    },
    read(reader, from, end) {
      const length = readLength(reader, end);
      const copy = from.slice(reader.at, reader.at + length);
      reader.at += length;
      return copy;
    },
  };
}

/** uint64 as a `number` below 2^53: larger ones are Malformed. */
export function uint64(number: number): Field<number> {
  return {
    number,
    wireType: VARINT,
    empty: () => 0,
    size: (value) => value === 0 ? 0 : tagLength(number) + varintLength(value),
    write: (value, into, at) => writeVarint(into, writeVarint(into, at, number * 8), value),
    read: (reader) => reader.readNumber(),
  };
}

/** uint64 as a `number`; what is above 2^53 - 1 is read as that. For what clients may set to "as much as there is". */
export function uint64Capped(number: number): Field<number> {
  return {
    ...uint64(number),
    read: (reader) => Math.min(Number(BigInt.asUintN(64, reader.readInt64())), Number.MAX_SAFE_INTEGER),
  };
}

/** uint32; wider values are cut to 32 bits as protobuf asks. */
export function uint32(number: number): Field<number> {
  return {
    ...uint64(number),
    read: (reader) => Number(BigInt.asUintN(32, reader.readInt64())),
  };
}

export function int64(number: number): Field<bigint> {
  return {
    number,
    wireType: VARINT,
    empty: () => 0n,
    size: (value) => value === 0n ? 0 : tagLength(number) + varint64Length(value),
    write: (value, into, at) => writeVarint64(into, writeVarint(into, at, number * 8), value),
    read: (reader) => reader.readInt64(),
  };
}

/** int32 and enums: a negative number takes 10 bytes; wider values are cut to 32 bits. */
export function int32(number: number): Field<number> {
  return {
    number,
    wireType: VARINT,
    empty: () => 0,
    size: (value) => value === 0 ? 0 : tagLength(number) + (value < 0 ? 10 : varintLength(value)),
    write: (value, into, at) => writeVarint64(into, writeVarint(into, at, number * 8), BigInt(value)),
    read: (reader) => Number(BigInt.asIntN(32, reader.readInt64())),
  };
}

export function bool(number: number): Field<boolean> {
  return {
    number,
    wireType: VARINT,
    empty: () => false,
    size: (value) => value ? tagLength(number) + 1 : 0,
    write: (_value, into, at) => writeVarint(into, writeVarint(into, at, number * 8), 1),
    read: (reader) => reader.readInt64() !== 0n,
  };
}

/** A list of messages, one field occurrence each. */
export function repeated<F extends Fields>(number: number, of: Declared<F>): Field<Values<F>[]> {
  return {
    number,
    wireType: LENGTH_DELIMITED,
    empty: () => [],
    size: (list) => list.reduce((sum, value) => sum + lengthDelimitedSize(number, of.size(value)), 0),
    write(list, into, at) {
      for (const value of list) {
        at = writeVarint(into, at, number * 8 + LENGTH_DELIMITED);
        at = writeVarint(into, at, of.size(value));
        at = of.encodeInto(value, into, at);
      }
      return at;
    },
    read(reader, bytes, end, previous) {
      const length = readLength(reader, end);
      previous.push(of.decode(bytes, reader.at, reader.at + length));
      reader.at += length;
      return previous;
    },
  };
}

/** A list of uint64 below 2^53, written packed. */
export function packed(number: number): Field<number[]> {
  const bodySize = (list: readonly number[]) => list.reduce((sum, value) => sum + varintLength(value), 0);
  return {
    number,
    wireType: LENGTH_DELIMITED,
    empty: () => [],
    size: (list) => list.length === 0 ? 0 : lengthDelimitedSize(number, bodySize(list)),
    write(list, into, at) {
      at = writeVarint(into, at, number * 8 + LENGTH_DELIMITED);
      at = writeVarint(into, at, bodySize(list));
      for (const value of list) at = writeVarint(into, at, value);
      return at;
    },
    read(reader, _bytes, end, previous) {
      const until = readLength(reader, end) + reader.at;
      while (reader.at < until) previous.push(reader.readNumber());
      if (reader.at > until) throw new Malformed("packed list ends early", reader.at);
      return previous;
    },
  };
}
