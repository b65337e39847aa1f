/**
 * The NATS protocol as bytes: what arrives becomes events with offsets, what is said becomes frames. Pure.
 * Knows the verbs, their arguments, and what a subject may be.
 * Must not know connections, subscriptions, permissions, or what a message means.
 */
export * from "./frames.ts";
export * from "./message_parser.ts";
export * from "./parser.ts";
export * from "./publish_subject.ts";
export * from "./verbs.ts";
