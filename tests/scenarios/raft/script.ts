/**
 * Reads and runs scripts: what happens to some Raft nodes, and what they are expected to say about it.
 *
 *     # words for the reader
 *     command
 *     command
 *     ----
 *     what was said
 *
 * Blocks are separated by empty lines; one without a `----` is only words.
 */
import { ScriptedCluster } from "./scripted_cluster.ts";

interface Block {
  /** Comment lines and commands, as they stand in the script. */
  readonly input: readonly string[];
  /** `undefined` for words alone. */
  readonly output: readonly string[] | undefined;
}

function blocksOf(text: string): Block[] {
  return text.trimEnd().split(/\n\n+/).map((part) => {
    const lines = part.split("\n");
    const rule = lines.indexOf("----");
    return rule < 0
      ? { input: lines, output: undefined }
      : { input: lines.slice(0, rule), output: lines.slice(rule + 1) };
  });
}

/** Runs the script; answers with the same script, in which each output is what was really said. */
export function play(text: string): string {
  const cluster = new ScriptedCluster();
  const blocks = blocksOf(text).map(({ input, output }) => {
    if (output === undefined) return input.join("\n");
    for (const line of input) if (!line.startsWith("#")) cluster.run(line);
    return [...input, "----", ...cluster.takeOutput()].join("\n");
  });
  return blocks.join("\n\n") + "\n";
}
