/** A lint rule: no file and no function grows past what a reader can hold. */
import { isTest, repositoryPath } from "./places.ts";

export const longestFile = 400;
export const longestTestFile = 600;
export const longestFunction = 60;

const plugin: Deno.lint.Plugin = {
  name: "sizes",
  rules: {
    lines: {
      create(context) {
        const path = repositoryPath(context.filename);
        const text = context.sourceCode.text;
        const limit = isTest(path) ? longestTestFile : longestFile;
        const check = (node: FunctionNode) => {
          const lines = linesIn(text.slice(node.range[0], node.range[1]));
          if (lines <= longestFunction || isTest(path)) return;
          const message = `${path}: ${nameOf(node)} has ${lines} lines; take parts out until it has ${longestFunction}`;
          context.report({ node, message });
        };
        return {
          Program(node) {
            const lines = linesIn(text.trimEnd());
            if (lines <= limit) return;
            context.report({ node, message: `${path} has ${lines} lines; split it into files of at most ${limit}` });
          },
          FunctionDeclaration: check,
          FunctionExpression: check,
          ArrowFunctionExpression: check,
        };
      },
    },
  },
};
export default plugin;

type FunctionNode = Deno.lint.FunctionDeclaration | Deno.lint.FunctionExpression | Deno.lint.ArrowFunctionExpression;

function linesIn(text: string): number {
  return text.split("\n").length;
}

/** The name a reader knows the function by. */
function nameOf(node: FunctionNode): string {
  if (node.type !== "ArrowFunctionExpression" && node.id) return node.id.name;
  const parent = node.parent;
  if (parent.type === "VariableDeclarator" && parent.id.type === "Identifier") return parent.id.name;
  if (parent.type === "MethodDefinition" || parent.type === "PropertyDefinition" || parent.type === "Property") {
    if (parent.key.type === "Identifier") return parent.key.name;
    if (parent.key.type === "PrivateIdentifier") return `#${parent.key.name}`;
  }
  return "a function without a name";
}
