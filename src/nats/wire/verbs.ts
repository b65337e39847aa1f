/** The verbs of the NATS protocol and which of them a client port and a route port take. */

/** What a frame is. Numbers, so that the hot path switches on small integers. */
export const Verb = {
  None: 0,
  Publish: 1,
  HeaderPublish: 2,
  Ping: 3,
  Pong: 4,
  Subscribe: 5,
  Unsubscribe: 6,
  Connect: 7,
  Info: 8,
  Ok: 9,
  Error: 10,
  RouteMessage: 11,
  RouteHeaderMessage: 12,
  RouteSubscribe: 13,
  RouteUnsubscribe: 14,
} as const;

/** One of {@link Verb}. */
export type Verb = (typeof Verb)[keyof typeof Verb];

/** How the rest of a frame is cut once its verb is known. */
export const Shape = {
  /** Whatever follows, up to the line feed, is dropped; no length limit (spec nats-server, section 1.4). */
  Ignored: 0,
  /** Arguments separated by blanks. */
  Arguments: 1,
  /** One argument that runs to the end of the line. */
  Text: 2,
  /** Arguments, the last of which is the size of a payload that follows. */
  Payload: 3,
  /** As Payload; the last two arguments are the size of the header block and the whole size. */
  HeaderPayload: 4,
} as const;

/** How one verb is written and cut. */
export interface VerbRule {
  /** Lower-case ASCII bytes. */
  readonly name: Uint8Array;
  readonly verb: Verb;
  readonly shape: number;
  /** Fewest and most arguments; another count is malformed. */
  readonly least: number;
  readonly most: number;
  /** Whether the first argument may follow at once, as in `CONNECT{…}`. */
  readonly blankOptional: boolean;
}

function rule(
  name: string,
  verb: Verb,
  shape: number,
  least = 0,
  most = Infinity,
  blankOptional = false,
): VerbRule {
  return { name: new TextEncoder().encode(name), verb, shape, least, most, blankOptional };
}

const shared = [
  rule("ping", Verb.Ping, Shape.Ignored),
  rule("pong", Verb.Pong, Shape.Ignored),
  rule("connect", Verb.Connect, Shape.Text, 0, 1, true),
  rule("info", Verb.Info, Shape.Text, 0, 1, true),
  rule("+ok", Verb.Ok, Shape.Ignored),
  rule("-err", Verb.Error, Shape.Text, 0, 1),
  rule("pub", Verb.Publish, Shape.Payload, 2, 3),
  rule("sub", Verb.Subscribe, Shape.Arguments, 2, 3),
  rule("unsub", Verb.Unsubscribe, Shape.Arguments, 1, 2),
];

/** What a client may send. */
export const clientVerbs: readonly VerbRule[] = [
  ...shared,
  rule("hpub", Verb.HeaderPublish, Shape.HeaderPayload, 3, 4),
];

/** What another server may send on a route (spec nats-server, section 3.2). */
export const routeVerbs: readonly VerbRule[] = [
  ...shared,
  rule("rmsg", Verb.RouteMessage, Shape.Payload, 3),
  rule("hmsg", Verb.RouteHeaderMessage, Shape.HeaderPayload, 4),
  rule("rs+", Verb.RouteSubscribe, Shape.Arguments, 2, 4),
  rule("rs-", Verb.RouteUnsubscribe, Shape.Arguments, 2, 3),
];
