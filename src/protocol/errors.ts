/**
 * The texts that clients match, misspellings included (spec streaming, sections 2 to 6). A refusal carries one of them to
 * the client to the letter.
 */

/** Texts without a variable part. */
export const Text = {
  invalidConnectRequest: "stan: invalid connection request",
  invalidClientId: "stan: invalid clientID: only alphanumeric and `-` or `_` characters allowed",
  clientIdRegistered: "stan: clientID already registered",
  invalidPublishRequest: "stan: invalid publish request",
  invalidSubscribeRequest: "stan: invalid subscription request",
  clientIdMissing: "stan: clientID missing",
  invalidAckWait: "stan: invalid ack wait time, should be >= 1s",
  invalidMaxInFlight: "stan: invalid MaxInflight, should be >= 1",
  invalidStartPosition: "stan: invalid start position",
  invalidSubject: "stan: invalid subject",
  unknownClientId: "stan: unknown clientID",
  durableNameWithColon: "stan: durable name of a durable queue subscriber can't contain the character ':'",
  duplicateDurable: "stan: duplicate durable registration",
  invalidUnsubscribeRequest: "stan: invalid unsubscribe request",
  unknownChannel: "stan: unknown channel",
  invalidSubscription: "stan: invalid subscription",
  invalidCloseRequest: "stan: invalid close request",
  unknownConnection: "client has been replaced or is no longer registered",
  tooManyChannels: "too many channels",
  tooManySubscriptions: "too many subscriptions per channel",
  channelBeingDeleted: "stan: channel is being deleted",
  notLeader: "node is not the leader",
  leadershipLost: "leadership lost while committing log",
  raftShutdown: "raft is already shutdown",
} as const;

/** A channel name that differs from an existing one in case only. The misspelling is the reference's. */
export function caseConflict(wanted: string, existing: string): string {
  return `rejecting channel "${wanted}" because channel "${existing}" alreay exists (different cases not allowed)`;
}

/** A message that NATS could not carry back to subscribers: refused at publish instead of blocking them later. */
export function tooLargeToDeliver(size: number, maxPayload: number): string {
  return `stan: message too large: ${size} bytes when delivered, max_payload is ${maxPayload}`;
}

/**
 * The server cannot start. `message` is what follows `Failed to start: `, or with `isWholeLine` the log line as it is;
 * `code` the exit code.
 */
export class StartFailed extends Error {
  override readonly name = "StartFailed";
  readonly isWholeLine: boolean;
  constructor(
    message: string,
    readonly code: number = 1,
    options: { cause?: unknown; isWholeLine?: boolean } = {},
  ) {
    super(message, options);
    this.isWholeLine = options.isWholeLine ?? false;
  }
}
