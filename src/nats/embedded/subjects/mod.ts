/**
 * Who wants messages of a subject: the tree, its cache, the rules of patterns.
 * Knows tokens, wildcards, queue groups and weights.
 * Must not know: connections, or what messages hold.
 */
export { type Interest, RemoteInterest } from "./interest.ts";
export { SubjectCache } from "./subject_cache.ts";
export { covers, matches, splitEntry } from "./subject_rules.ts";
export {
  hasWildcard,
  type Match,
  type MatchedGroup,
  type Place,
  SubjectTree,
  validLiteral,
  validSubject,
} from "./subject_tree.ts";
export { sidKey, Subscription, type Target } from "./subscription.ts";
