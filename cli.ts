/** The command: arguments → options → a server, until a signal ends it. What `deno compile` compiles. */
import { runProcess, signalServer } from "./src/process/mod.ts";
import { type Options, parseCommandLine, reloadOptions } from "./src/config/mod.ts";
import { environment, exit, print, printError, processArguments, readText } from "./src/system/mod.ts";

const io = { read: readText, env: environment };

async function main(): Promise<number> {
  const parsed = parseCommandLine(processArguments, io);
  if (parsed.kind === "exit") {
    print(parsed.stdout);
    printError(parsed.stderr);
    return parsed.code;
  }
  if (parsed.kind === "signal") {
    const failure = signalServer(parsed);
    if (failure !== undefined) printError(`${failure}\n`);
    return failure === undefined ? 0 : 1;
  }
  printError(parsed.stderr);
  const reread = (inUse: Options) => reloadOptions(processArguments, inUse, io);
  return await runProcess({ options: parsed.options, warnings: parsed.warnings, reread });
}

exit(await main());
