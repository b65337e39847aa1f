/**
 * Makes one binary for this platform, `dist/nats-streaming-server`, from a clean copy of the sources: what lies around
 * in the folder would be packed into it otherwise. Usage: `deno task compile`. Where the runtime that `deno compile`
 * downloads cannot be had, DENORT_BIN names one of the same version.
 */
import { ENGINE_FLAGS } from "./engine_flags.ts";

const root = decodeURIComponent(new URL("..", import.meta.url).pathname);
const output = `${root}dist/nats-streaming-server${Deno.build.os === "windows" ? ".exe" : ""}`;

/** What the server needs: sockets, files named by its configuration, variables that configuration may use, host name, archive script. */
const permissions = ["--allow-net", "--allow-read", "--allow-write", "--allow-env", "--allow-sys", "--allow-run"];

/** Modules that run on threads of their own: nothing imports them, so the compiler must be told. */
const threads = ["--include", "src/system/bcrypt_worker.ts"];

/** Everything but the sources stays out, tests too. */
export function belongsInBinary(path: string): boolean {
  if (["cli.ts", "mod.ts", "deno.json", "deno.lock"].includes(path)) return true;
  return path.startsWith("src/") && path.endsWith(".ts") && !path.endsWith("_test.ts");
}

async function main(): Promise<void> {
  const copy = await Deno.makeTempDir({ prefix: "compile-" });
  try {
    copySources("", copy);
    await Deno.mkdir(`${root}dist`, { recursive: true });
    const { success, code } = await new Deno.Command(Deno.execPath(), {
      args: [
        "compile",
        "--no-check",
        "--no-prompt",
        ...ENGINE_FLAGS,
        ...permissions,
        ...threads,
        "--output",
        output,
        "cli.ts",
      ],
      cwd: copy,
      stdin: "null",
    }).spawn().status;
    if (!success) Deno.exit(code);
    console.log(`${output}: ${Math.round((await Deno.stat(output)).size / 2 ** 20)} MiB`);
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
}

function copySources(folder: string, target: string): void {
  for (const entry of Deno.readDirSync(root + folder)) {
    const path = folder + entry.name;
    if (entry.isDirectory && `${path}/`.startsWith("src/")) {
      Deno.mkdirSync(`${target}/${path}`);
      copySources(`${path}/`, target);
    } else if (entry.isFile && belongsInBinary(path)) {
      Deno.copyFileSync(root + path, `${target}/${path}`);
    }
  }
}

if (import.meta.main) await main();
