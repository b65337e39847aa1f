import assert from "node:assert/strict";
import { create, createFileRegistry, type DescMessage, toBinary } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { MsgProto, PubMsg, SubscriptionRequest } from "./client_messages.ts";
import { AckOffsets, PubMsgOffsets } from "./publish_request.ts";
import { ClientInfo, ServerInfo, SubscriptionState } from "./stored_records.ts";
import { Malformed } from "./varint.ts";

/** The message `name` as another implementation of protobuf knows it; `fields`: name, number, type. */
function oracle(name: string, fields: readonly (readonly [string, number, Type, unknown])[]): DescMessage {
  const file = create(FileDescriptorProtoSchema, {
    name: `${name}.proto`,
    syntax: "proto3",
    messageType: [{
      name,
      field: fields.map(([field, number, type]) => ({
        name: field,
        jsonName: field,
        number,
        type,
        label: Label.OPTIONAL,
      })),
    }],
  });
  return createFileRegistry(file, () => undefined).getMessage(name)!;
}

const text = fc.string({ unit: "binary", maxLength: 40 });
const blob = fc.uint8Array({ maxLength: 300 });
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const sequence = fc.maxSafeNat();

interface Case {
  readonly name: string;
  // deno-lint-ignore no-explicit-any -- any declared message
  readonly ours: { encode(value: any): Uint8Array; decode(bytes: Uint8Array): any };
  readonly fields: readonly (readonly [string, number, Type, fc.Arbitrary<unknown>])[];
}

const S = Type.STRING;
const cases: Case[] = [
  {
    name: "PubMsg",
    ours: PubMsg,
    fields: [
      ["clientId", 1, S, text],
      ["guid", 2, S, text],
      ["subject", 3, S, text],
      ["reply", 4, S, text],
      [
        "data",
        5,
        Type.BYTES,
        blob,
      ],
      ["connId", 6, Type.BYTES, blob],
      ["sha256", 10, Type.BYTES, blob],
    ],
  },
  {
    name: "MsgProto",
    ours: MsgProto,
    fields: [
      ["sequence", 1, Type.UINT64, sequence],
      ["subject", 2, S, text],
      ["reply", 3, S, text],
      [
        "data",
        4,
        Type.BYTES,
        blob,
      ],
      ["timestamp", 5, Type.INT64, int64],
      ["redelivered", 6, Type.BOOL, fc.boolean()],
      [
        "redeliveryCount",
        7,
        Type.UINT32,
        fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      ],
    ],
  },
  {
    name: "SubscriptionRequest",
    ours: SubscriptionRequest,
    fields: [
      ["clientId", 1, S, text],
      ["maxInFlight", 5, Type.INT32, int32],
      ["ackWaitInSecs", 6, Type.INT32, int32],
      [
        "startPosition",
        10,
        Type.INT32,
        int32,
      ],
      ["startSequence", 11, Type.UINT64, sequence],
      ["startTimeDelta", 12, Type.INT64, int64],
    ],
  },
  {
    name: "SubState",
    ours: SubscriptionState,
    fields: [["id", 1, Type.UINT64, sequence], ["queueGroup", 3, S, text], ["lastSent", 9, Type.UINT64, sequence], [
      "isDurable",
      10,
      Type.BOOL,
      fc.boolean(),
    ], ["isClosed", 11, Type.BOOL, fc.boolean()]],
  },
  {
    name: "ClientInfo",
    ours: ClientInfo,
    fields: [["id", 1, S, text], ["connId", 3, Type.BYTES, blob], ["pingInterval", 5, Type.INT32, int32]],
  },
  { name: "ServerInfo", ours: ServerInfo, fields: [["clusterId", 1, S, text], ["nodeId", 9, S, text]] },
];

for (const { name, ours, fields } of cases) {
  const described = oracle(name, fields);
  const values = fc.record(Object.fromEntries(fields.map(([field, , , arbitrary]) => [field, arbitrary])));
  const oracleBytes = (value: Record<string, unknown>): Uint8Array => {
    const message = reflect(described);
    for (const field of described.fields) message.set(field, value[field.name] as never);
    return toBinary(described, message.message);
  };
  Deno.test(`${name}: encodes as another protobuf implementation does, and decodes what that encodes`, () => {
    fc.assert(fc.property(values, (value) => {
      const prepared = Object.fromEntries(
        described.fields.map((field) => {
          const given = (value as Record<string, unknown>)[field.name];
          const isLong = field.fieldKind === "scalar" && (field.scalar === 4 || field.scalar === 3);
          return [field.name, isLong && typeof given === "number" ? BigInt(given) : given];
        }),
      );
      const expected = oracleBytes(prepared);
      assert.deepEqual(ours.encode(value), new Uint8Array(expected));
      const decoded = ours.decode(expected);
      for (const [field] of fields) assert.deepEqual(decoded[field], (value as Record<string, unknown>)[field]);
    }));
  });

  Deno.test(`${name}: any bytes decode or are Malformed, as another implementation sees it`, () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        ours.decode(bytes);
      } catch (error) {
        assert.ok(error instanceof Malformed, String(error));
      }
    }));
  });
}

Deno.test("PubMsgOffsets finds what the schema decodes, and refuses what it refuses", () => {
  const slice = (bytes: Uint8Array, start: number, end: number) =>
    new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(start, end));
  const offsets = new PubMsgOffsets();
  const anyBytes = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc.record({ guid: text, subject: text, reply: text, data: blob, connId: blob, clientId: text }).map((value) =>
      PubMsg.encode(value)
    ),
  );
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      let wanted: ReturnType<typeof PubMsg.decode> | undefined;
      try {
        wanted = PubMsg.decode(bytes);
      } catch {
        return assert.equal(offsets.decode(bytes, 0, bytes.length), false);
      }
      if (!offsets.decode(bytes, 0, bytes.length)) return;
      assert.equal(slice(bytes, offsets.guidStart, offsets.guidEnd), wanted.guid);
      assert.equal(slice(bytes, offsets.subjectStart, offsets.subjectEnd), wanted.subject);
      assert.equal(slice(bytes, offsets.replyStart, offsets.replyEnd), wanted.reply);
      assert.equal(slice(bytes, offsets.clientStart, offsets.clientEnd), wanted.clientId);
      assert.deepEqual(bytes.slice(offsets.dataStart, offsets.dataEnd), wanted.data);
      assert.deepEqual(bytes.slice(offsets.connIdStart, offsets.connIdEnd), wanted.connId);
    }),
    // A known field that has the form of another type, and a group.
    {
      numRuns: 500,
      examples: [[40, 0], [80, 0], [11, 3, 0, 194, 128]].map((each): [Uint8Array] => [Uint8Array.from(each)]),
    },
  );
});

Deno.test("AckOffsets refuses fields in the form of another type", () => {
  const offsets = new AckOffsets();
  const decodes = (...bytes: number[]) => offsets.decode(Uint8Array.from(bytes), 0, bytes.length);
  assert.deepEqual([decodes(16, 7), offsets.sequence], [true, 7]);
  assert.equal(decodes(24, 1, 16, 7), true, "an unknown field");
  assert.deepEqual([decodes(8, 1), decodes(18, 1, 7), decodes(0, 1)], [false, false, false]);
});
