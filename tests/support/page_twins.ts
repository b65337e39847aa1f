/**
 * Compares a monitoring page with the reference's: the same keys in the same order, the same types, and the same values
 * but for those that differ from run to run. What is found different comes back as lines that name the place.
 */

export interface TwinRules {
  /** Keys whose values may differ; their types may not. */
  readonly varying: ReadonlySet<string>;
  /** Keys of arrays whose order and content vary: only the form of their first items is compared. */
  readonly loose: ReadonlySet<string>;
  /** Keys of arrays of objects in no particular order. */
  readonly unordered: ReadonlySet<string>;
}

/** Differences of `ours` from `theirs`, none when they are twins. */
export function differences(ours: unknown, theirs: unknown, rules: TwinRules, path = "$", key = ""): string[] {
  if (Array.isArray(ours) && Array.isArray(theirs)) return arrayDifferences(ours, theirs, rules, path, key);
  if (isRecord(ours) && isRecord(theirs)) {
    return rules.varying.has(key) ? [] : recordDifferences(ours, theirs, rules, path);
  }
  const [here, there] = [kindOf(ours), kindOf(theirs)];
  if (here !== there) return [`${path}: ${here} instead of ${there}`];
  if (rules.varying.has(key) || ours === theirs) return [];
  return [`${path}: ${JSON.stringify(ours)} instead of ${JSON.stringify(theirs)}`];
}

function recordDifferences(
  ours: Record<string, unknown>,
  theirs: Record<string, unknown>,
  rules: TwinRules,
  path: string,
): string[] {
  const [here, there] = [Object.keys(ours).join(), Object.keys(theirs).join()];
  const found = here === there ? [] : [`${path}: keys ${here} instead of ${there}`];
  const shared = Object.keys(theirs).filter((key) => key in ours);
  return [...found, ...shared.flatMap((key) => differences(ours[key], theirs[key], rules, `${path}.${key}`, key))];
}

function arrayDifferences(ours: unknown[], theirs: unknown[], rules: TwinRules, path: string, key: string): string[] {
  if (rules.loose.has(key)) {
    if (ours.length === 0 || theirs.length === 0) return [];
    // Texts in such lists are names of this run.
    if (!isRecord(ours[0])) return differences(kindOf(ours[0]), kindOf(theirs[0]), rules, `${path}[0]`);
    return differences(ours[0], theirs[0], { ...rules, varying: new Set([...Object.keys(ours[0])]) }, `${path}[0]`);
  }
  if (ours.length !== theirs.length) return [`${path}: ${ours.length} items instead of ${theirs.length}`];
  const [here, there] = rules.unordered.has(key) ? [sorted(ours, rules), sorted(theirs, rules)] : [ours, theirs];
  return here.flatMap((item, i) => differences(item, there[i], rules, `${path}[${i}]`, key));
}

/** By all values that do not vary. */
function sorted(items: readonly unknown[], rules: TwinRules): unknown[] {
  const text = (item: unknown) => JSON.stringify(item, (key, value) => rules.varying.has(key) ? undefined : value);
  return [...items].sort((a, b) => text(a) < text(b) ? -1 : 1);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return kindOf(value) === "object";
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}
