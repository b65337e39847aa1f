/** The command: arguments → options → a server, until a signal ends it. What `deno compile` compiles. */
import { runProcess } from "./mod.ts";
import { parseCommandLine } from "./src/config/mod.ts";
import { environment, exit, print, printError, processArguments, readText } from "./src/system/mod.ts";

async function main(): Promise<number> {
  const io = { read: readText, env: environment };
  const parsed = parseCommandLine(processArguments, io);
  if (parsed.kind === "exit") {
    print(parsed.stdout ?? "");
    printError(parsed.stderr ?? "");
    return parsed.code;
  }
  for (const warning of parsed.warnings) printError(`${warning}\n`);
  return await runProcess(parsed.options, () => {
    const again = parseCommandLine(processArguments, io);
    if (again.kind === "exit") throw new Error((again.stderr ?? "").trim());
    return again.options;
  });
}

exit(await main());
