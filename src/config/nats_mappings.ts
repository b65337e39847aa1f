/** Reads subject mappings (spec cli-config-monitoring, section 2.5). */
import type { SubjectMapping } from "./nats_options.ts";
import { isValidSubject } from "./nats_permissions.ts";
import type { NatsProblems } from "./nats_problems.ts";
import { ConfigMap, type Entry, type Node, shownValue } from "./tree.ts";
import { quoted } from "./values.ts";

const FULL_WEIGHT = 100;
const NO_DESTINATION = "Expected an entry for the mapping destination";

/** The mappings of a map; those with mistakes are left out. */
export function readMappings(entry: Entry, problems: NatsProblems): SubjectMapping[] {
  if (!(entry.value instanceof ConfigMap)) {
    problems.wrongType(entry, "map[string]interface {}");
    return [];
  }
  const mappings: SubjectMapping[] = [];
  for (const part of entry.value.entries.values()) {
    if (!isValidSubject(part.key)) {
      problems.error(entry, `Subject ${quoted(part.key)} is not a valid subject`);
      continue;
    }
    const destinations = readDestinations(part, problems);
    const fault = mappingFault(part.key, destinations);
    if (fault !== undefined) problems.error(part, `Error adding mapping for ${quoted(part.key)} ${fault}`);
    else if (destinations.length > 0) mappings.push({ subject: part.key, destinations });
  }
  return mappings;
}

/** What is wrong with the destinations of a subject. */
function mappingFault(subject: string, destinations: readonly Destination[]): string | undefined {
  const wildcards = subject.split(".").filter((token) => token === "*").length;
  for (const { subject: destination } of destinations) {
    const tokens = destination.split(".");
    const wrong = `to ${quoted(destination)} : `;
    if (!isValidSubject(destination)) return `${wrong}invalid mapping destination: invalid subject in `;
    for (const token of tokens) {
      const index = /^\$(\d+)$/.exec(token)?.[1];
      if (index === undefined || (Number(index) >= 1 && Number(index) <= wildcards)) continue;
      return `${wrong}invalid mapping destination: wildcard index out of range in ${token}: [${index}]`;
    }
    if (tokens.filter((token) => token === "*").length > wildcards) return `${wrong}invalid subject`;
  }
  const total = destinations.reduce((sum, { weight }) => sum + weight, 0);
  return total > FULL_WEIGHT ? `: the weights are ${total} together, more than ${FULL_WEIGHT}` : undefined;
}

type Destination = SubjectMapping["destinations"][number];

function readDestinations(entry: Entry, problems: NatsProblems): Destination[] {
  if (typeof entry.value === "string") return [{ subject: entry.value, weight: FULL_WEIGHT, cluster: "" }];
  if (entry.value instanceof ConfigMap) {
    return [readDestination(entry, entry.value, problems)].filter((one) => one !== undefined);
  }
  if (!Array.isArray(entry.value)) {
    problems.error(entry, NO_DESTINATION);
    return [];
  }
  return entry.value.map((node) => {
    if (node.value instanceof ConfigMap) return readDestination(node, node.value, problems);
    problems.error(node, NO_DESTINATION);
    return undefined;
  }).filter((one) => one !== undefined);
}

function readDestination(node: Node, map: ConfigMap, problems: NatsProblems): Destination | undefined {
  const destination: Destination = { subject: "", weight: 0, cluster: "" };
  for (const part of map.entries.values()) {
    const key = part.key.toLowerCase();
    if (["dest", "destination"].includes(key)) destination.subject = problems.string(part) ?? "";
    else if (key === "cluster") destination.cluster = problems.string(part) ?? "";
    else if (key === "weight") {
      const weight = readWeight(part, problems);
      if (weight === undefined) return undefined;
      destination.weight = weight;
    } else {
      problems.error(part, `Unknown field "${part.key}" for mapping destination`);
      return undefined;
    }
  }
  if (destination.subject !== "" && map.find("weight") !== undefined) return destination;
  problems.error(
    node,
    destination.subject === ""
      ? "Missing destination of mapping"
      : `Missing weight for mapping destination ${quoted(destination.subject)}`,
  );
  return undefined;
}

/** Per cent, with or without the sign. */
function readWeight(part: Entry, problems: NatsProblems): number | undefined {
  const { value } = part;
  const weight = typeof value === "string" ? Number(value.replace(/%$/, "") || "x") : Number(value);
  if (typeof value !== "string" && typeof value !== "bigint") {
    problems.error(part, `Unknown entry type for weight of ${shownValue(value)}`);
    return undefined;
  }
  if (Number.isInteger(weight) && weight >= 0 && weight <= FULL_WEIGHT) return weight;
  problems.error(part, `Invalid weight ${typeof value === "string" ? quoted(value) : value} for mapping destination`);
  return undefined;
}
