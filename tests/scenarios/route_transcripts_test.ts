/** Recorded sessions between real servers, versions 2.9 to 2.15: each side's bytes are said to ours once more. */
import assert from "node:assert/strict";
import { gather, routePort, startMember } from "../support/mesh.ts";
import { RawNatsClient } from "../support/raw_nats_client.ts";

const folder = new URL("../../../shared/fixtures/routes/", import.meta.url);

interface Side {
  readonly name: string;
  readonly lines: string[];
}

/** The transcripts' files; without those in which two newer servers agree on a pool of connections, as ours never does. */
function transcripts(): string[] {
  try {
    return [...Deno.readDirSync(folder)].map((entry) => entry.name)
      .filter((name) => /^(0[1-689]|1[0-6])-/.test(name) && !name.includes("mesh-2.15.1")).sort();
  } catch {
    console.warn("SKIPPED: the recorded route sessions are not on this machine");
    return [];
  }
}

/** Every side of every connection in a transcript, in bytes of one character each. */
function sidesOf(file: string): Side[] {
  const sides = new Map<string, Side>();
  for (const line of Deno.readTextFileSync(new URL(file, folder)).split("\n")) {
    const found = /^\s+[\d.]+ \[conn (\d+)\] (\S+) -> [^:]+: (.*)$/.exec(line);
    if (found === null) continue;
    const name = `connection ${found[1]}, said by ${found[2]}`;
    if (!sides.has(name)) sides.set(name, { name, lines: [] });
    sides.get(name)!.lines.push(unescaped(found[3]!));
  }
  return [...sides.values()];
}

function unescaped(text: string): string {
  return text.replace(/\\(r|n|t|'|\\|x[0-9a-f]{2})/g, (_, code: string) => {
    const plain: Record<string, string> = { r: "\r", n: "\n", t: "\t", "'": "'", "\\": "\\" };
    return plain[code] ?? String.fromCharCode(parseInt(code.slice(1), 16));
  });
}

/** What remains wanted in the global account after these lines. */
function wantedAfter(text: string): number {
  const wanted = new Set<string>();
  for (const [, sign, what] of text.matchAll(/^RS([+-]) \$G ([^\r]+)\r\n/gm)) {
    const [subject, queue] = what!.split(" ");
    const key = queue === undefined ? subject! : `${subject} ${queue}`;
    if (sign === "+") wanted.add(key);
    else wanted.delete(key);
  }
  return wanted.size;
}

for (const file of transcripts()) {
  Deno.test(`ours understands ${file}`, async (t) => {
    for (const { name, lines } of sidesOf(file)) await t.step(name, () => replay(lines.join("")));
  });
}

async function replay(text: string): Promise<void> {
  const line = /^INFO (\{.*\}) \r\n/m.exec(text)?.[1];
  const info = JSON.parse(line ?? "{}") as { server_id?: string; cluster?: string; route_account?: string };
  const ours = await startMember("ours", [], { name: info.cluster ?? "c1" });
  const bus = ours.openBus("listener");
  const messages = gather(bus, ">");
  const peer = await RawNatsClient.connect(routePort(ours));
  await peer.send(text);
  const answer = await peer.ask("");
  const hungUp = /^-ERR/m.test(text);
  assert.equal(peer.closed, hungUp, answer);
  assert.doesNotMatch(answer, /-ERR/);
  const isRoute = info.server_id !== undefined && info.route_account === undefined;
  const routes = ours.routes.list().map((route) => route.remoteId);
  assert.deepEqual(routes, isRoute && !hungUp ? [info.server_id] : []);
  if (isRoute && !hungUp) assert.equal(ours.globalAccount.tree.remoteCount, wantedAfter(text));
  assert.equal(messages.length, isRoute ? [...text.matchAll(/^(RMSG|HMSG) \$G /gm)].length : 0);
  await peer.close();
  await ours.close();
}
