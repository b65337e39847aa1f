import assert from "node:assert/strict";
import { openFiles, programName, residentMemory, runtimeVersion } from "./process.ts";

Deno.test("openFiles() counts what is open", { ignore: Deno.build.os !== "linux" }, () => {
  const before = openFiles();
  const file = Deno.openSync(new URL(import.meta.url));
  assert.equal(openFiles().open, before.open + 1);
  file.close();
  assert.ok(before.max >= before.open);
});

Deno.test("the process knows its runtime, program and memory", () => {
  assert.match(runtimeVersion, /^deno\d+\.\d+\.\d+/);
  assert.equal(programName(), "deno");
  assert.ok(residentMemory() > 1_000_000);
});

Deno.test("onUncaught() hears of bugs that nothing caught", async () => {
  const program = `import { exit, onUncaught, print } from ${
    JSON.stringify(new URL("./process.ts", import.meta.url).href)
  };
    onUncaught((error) => { print("heard " + error.message); exit(7); });
    setTimeout(() => { throw new Error("thrown"); }, 0);
    await new Promise(() => setTimeout(() => {}, 10_000));`;
  for (
    const [source, text] of [[program, "thrown"], [
      program.replace("throw ", "Promise.reject(").replace('"thrown");', '"rejected"));'),
      "rejected",
    ]]
  ) {
    const { code, stdout } = await new Deno.Command(Deno.execPath(), { args: ["eval", "--no-check", source!] })
      .output();
    assert.deepEqual([new TextDecoder().decode(stdout), code], [`heard ${text}`, 7]);
  }
});
