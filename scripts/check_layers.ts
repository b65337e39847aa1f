/** A lint rule: which folder may import which. Each message names the remedy. */
import { isPure, isTest, repositoryPath } from "./places.ts";

interface Layer {
  /** A folder with its slash, or a file. */
  readonly place: string;
  readonly mayImport: readonly string[];
  readonly remedy: string;
}

const throughPorts = "talk through an interface in src/ports and let src/plugins.ts connect the two";
const machines = ["src/store/", "src/nats/", "src/raft/", "src/system/"];

/** The first place that contains a file says what it may import; its own folder is always allowed. */
const layers: readonly Layer[] = [
  { place: "src/protocol/", mayImport: [], remedy: "pass what it needs as an argument" },
  { place: "src/raft/core/", mayImport: [], remedy: "pass what it needs as an argument, bytes and numbers only" },
  { place: "src/config/", mayImport: [], remedy: "pass what it needs as an argument" },
  { place: "src/ports/", mayImport: ["src/protocol/"], remedy: "ports know words of the protocol only" },
  { place: "src/streaming/", mayImport: ["src/protocol/"], remedy: "return an effect and let src/server perform it" },
  { place: "src/raft/", mayImport: ["src/raft/core/", "src/ports/", "src/protocol/"], remedy: throughPorts },
  ...machines.map((place) => ({ place, mayImport: ["src/ports/", "src/protocol/"], remedy: throughPorts })),
  { place: "src/server/", mayImport: ["src/ports/", "src/protocol/", "src/streaming/"], remedy: throughPorts },
  {
    place: "src/registry.ts",
    mayImport: ["src/ports/", "src/protocol/", "src/config/"],
    remedy: "a plugin brings what it needs itself",
  },
  { place: "src/plugins.ts", mayImport: ["src/registry.ts", "src/plugins/"], remedy: "import it in src/plugins/" },
  {
    place: "src/plugins/",
    mayImport: [
      "src/registry.ts",
      ...machines.filter((place) => place !== "src/system/"),
      "src/server/solo_journal.ts",
      "src/ports/",
      "src/protocol/",
      "src/config/",
    ],
    remedy: "plugins connect the parts below the server",
  },
  ...["mod.ts", "src/serve.ts", "src/serve_limits.ts"].map((place) => ({
    place,
    mayImport: [
      "src/serve.ts",
      "src/serve_limits.ts",
      "src/plugins.ts",
      "src/registry.ts",
      "src/server/",
      "src/streaming/",
      "src/config/",
      "src/ports/",
      "src/protocol/",
    ],
    remedy: "offer it through a plugin in src/plugins/",
  })),
  {
    place: "src/process/",
    mayImport: [
      "src/serve.ts",
      "src/registry.ts",
      "src/plugins/texts.ts",
      "src/server/mod.ts",
      "src/config/",
      "src/system/",
      "src/ports/",
      "src/protocol/",
    ],
    remedy: "the process starts a server through src/serve.ts and knows no part of it",
  },
  {
    place: "cli.ts",
    mayImport: ["mod.ts", "src/process/", "src/config/", "src/system/"],
    remedy: "offer it in mod.ts or src/process/mod.ts",
  },
];

/** Modules of the runtime that are sockets, files, timers or processes: only src/system/ touches the machine. */
const harmlessModules = ["node:zlib", "node:crypto"];

/** Says why `importer` must not import `specifier`; `undefined` when it may. Paths from the repository's root. */
export function layerViolation(importer: string, specifier: string): string | undefined {
  if (isTest(importer)) return undefined;
  const layer = layers.find(({ place }) => contains(place, importer));
  if (layer === undefined) {
    return importer.startsWith("src/") ? `${importer} is in no layer; add it to scripts/check_layers.ts` : undefined;
  }
  if (!specifier.startsWith(".")) return moduleViolation(importer, specifier);
  const target = resolve(importer, specifier);
  if (contains(layer.place, target)) return undefined;
  if (layer.mayImport.some((place) => contains(place, target))) return undefined;
  return `${layer.place} must not import ${target}; ${layer.remedy}`;
}

function moduleViolation(importer: string, specifier: string): string | undefined {
  // Buffers are bytes and texts, nothing else.
  if (specifier === "node:buffer") return undefined;
  if (isPure(importer)) return `a pure file imports no package; pass what ${specifier} gives as an argument`;
  if (!specifier.startsWith("node:") || harmlessModules.includes(specifier)) return undefined;
  if (importer.startsWith("src/system/")) return undefined;
  return `only src/system/ touches the machine; use a port in src/ports instead of ${specifier}`;
}

function contains(place: string, path: string): boolean {
  return place.endsWith("/") ? path.startsWith(place) : path === place;
}

function resolve(importer: string, specifier: string): string {
  const parts = importer.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

const plugin: Deno.lint.Plugin = {
  name: "layers",
  rules: {
    imports: {
      create(context) {
        const path = repositoryPath(context.filename);
        const check = (source: Deno.lint.Node | null | undefined) => {
          if (source?.type !== "Literal" || typeof source.value !== "string") return;
          const message = layerViolation(path, source.value);
          if (message !== undefined) context.report({ node: source, message });
        };
        return {
          ImportDeclaration: (node) => check(node.source),
          ExportNamedDeclaration: (node) => check(node.source),
          ExportAllDeclaration: (node) => check(node.source),
          ImportExpression: (node) => check(node.source),
        };
      },
    },
  },
};
export default plugin;
