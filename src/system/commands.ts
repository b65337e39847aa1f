/** Other programs on this machine. */
import type { CommandResult, Commands } from "../ports/commands.ts";

/** Of a program's output, this many bytes are kept. */
const KEPT = 64 * 1024;

/** Runs programs with the rights and the environment of this process. */
export function systemCommands(): Commands {
  return { run };
}

async function run(program: string, args: readonly string[]): Promise<CommandResult> {
  try {
    const child = new Deno.Command(program, { args: [...args], stdin: "null", stdout: "piped", stderr: "piped" })
      .spawn();
    const [stdout, stderr, status] = await Promise.all([textOf(child.stdout), textOf(child.stderr), child.status]);
    return { output: stdout + stderr, error: status.success ? undefined : failure(status) };
  } catch (error) {
    return { output: "", error: error instanceof Error ? error.message : String(error) };
  }
}

function failure(status: Deno.CommandStatus): string {
  return status.signal === null ? `exit status ${status.code}` : `signal: ${status.signal}`;
}

/** Reads to the end, whatever is kept of it. */
async function textOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) if (text.length < KEPT) text += decoder.decode(chunk, { stream: true });
  return text.slice(0, KEPT);
}
