/**
 * A lint rule: what decides takes time and chance as arguments and never waits; and only `src/system/` touches the
 * machine. Each message names what to use instead.
 */
import { isPure, isTest, repositoryPath } from "./places.ts";

/** Not in any file of `src/` apart from `src/system/`, nor in `cli.ts` and `mod.ts`. */
const machine: Readonly<Record<string, string>> = {
  "Deno": "a port in src/ports, implemented in src/system",
  "process": "what src/system/process.ts offers",
  "console": "a Log",
  "fetch": "a port in src/ports",
  "WebSocket": "a Network",
  "Worker": "one thread; what blocks is batched",
  "performance": "a Clock, or the `now` argument",
  "Date.now": "a Clock, or the `now` argument",
  "new Date()": "a Clock, or the `now` argument",
  "Math.random": "a Random",
  "crypto.getRandomValues": "a Random",
  "crypto.randomUUID": "a Random",
  "crypto.randomBytes": "a Random",
  "crypto.subtle": "the synchronous functions of node:crypto",
  "setTimeout": "Clock.wakeAt",
  "setInterval": "Clock.wakeAt",
  "setImmediate": "Clock.soon",
};

/** Not in pure files either. */
const waiting: Readonly<Record<string, string>> = {
  "Promise": "a return value, or an effect that the caller performs",
  "await": "a return value, or an effect that the caller performs",
  "async": "a return value, or an effect that the caller performs",
  "queueMicrotask": "an effect that the caller performs",
  "crypto": "bytes that the caller passes",
};

/** Says what to use instead of `name` in this file; `undefined` when the name may stand there. */
export function purityViolation(path: string, name: string): string | undefined {
  if (isTest(path)) return undefined;
  const pure = isPure(path);
  const instead = machineApplies(path) ? machine[name] : undefined;
  const remedy = instead ?? (pure ? waiting[name] : undefined);
  if (remedy === undefined) return undefined;
  return `${name} is not allowed in ${pure ? "a pure file" : "this folder"}; use ${remedy}`;
}

function machineApplies(path: string): boolean {
  return (path.startsWith("src/") && !path.startsWith("src/system/")) || path === "cli.ts" || path === "mod.ts";
}

const plugin: Deno.lint.Plugin = {
  name: "purity",
  rules: {
    names: {
      create(context) {
        const path = repositoryPath(context.filename);
        const complain = (node: Deno.lint.Node, name: string) => {
          const message = purityViolation(path, name);
          if (message !== undefined) context.report({ node, message });
          return message !== undefined;
        };
        const asynchronous = (node: Deno.lint.Node & { async: boolean }) => {
          if (node.async) complain(node, "async");
        };
        return {
          MemberExpression(node) {
            const object = nameOf(node.object);
            const property = nameOf(node.property);
            if (object === "globalThis") complain(node, property);
            else complain(node, `${object}.${property}`) || complain(node, object);
          },
          CallExpression: (node) => void complain(node, nameOf(node.callee)),
          NewExpression(node) {
            const name = nameOf(node.callee);
            complain(node, name === "Date" && node.arguments.length === 0 ? "new Date()" : name);
          },
          AwaitExpression: (node) => void complain(node, "await"),
          FunctionDeclaration: asynchronous,
          FunctionExpression: asynchronous,
          ArrowFunctionExpression: asynchronous,
        };
      },
    },
  },
};
export default plugin;

function nameOf(node: Deno.lint.Node): string {
  return node.type === "Identifier" ? node.name : "";
}
