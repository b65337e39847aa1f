/**
 * Which nodes belong together: who is there, joining, the decision at a start, this node's own record.
 * Knows node ids, incarnations and the identity of the cluster.
 * Must not know: logs, terms, or what is replicated.
 */
export { comeBack } from "./coming_back.ts";
export { Joining, waited } from "./joining.ts";
export { type MemberRecord, readMember, writeMember } from "./member_file.ts";
export { decideStart, type StartDecision } from "./start_decision.ts";
export { drawIdentity, incarnationIn, Presence, Who, younger } from "./who.ts";
