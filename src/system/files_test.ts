import { filesConformance } from "../../tests/conformance/files.ts";
import { systemFiles } from "./files.ts";

filesConformance("systemFiles()", () => {
  const folder = Deno.makeTempDirSync();
  return { files: systemFiles(), folder, done: () => Deno.removeSync(folder, { recursive: true }) };
});
