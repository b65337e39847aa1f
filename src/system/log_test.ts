import assert from "node:assert/strict";
import { type Level, type LogSettings, type LogSink, ServerLog, timeOfDay } from "./log.ts";

class ListSink implements LogSink {
  readonly lines: string[] = [];
  closed = false;
  write(stamp: string, level: Level, text: string): void {
    this.lines.push(`${stamp}[${level}] ${text}`);
  }
  reopen(): boolean {
    return false;
  }
  close(): void {
    this.closed = true;
  }
}

function logTo(sink: LogSink, changes: Partial<LogSettings> = {}): ServerLog {
  return new ServerLog({
    sink,
    pid: 42,
    timestamps: false,
    utc: false,
    debug: false,
    trace: false,
    streamingDebug: false,
    streamingTrace: false,
    ...changes,
  });
}

Deno.test("lines carry pid, level and, for streaming, the prefix", () => {
  const sink = new ListSink();
  const log = logTo(sink);
  log.nats.notice("Server is ready");
  log.streaming.warn("w");
  log.streaming.error("e");
  log.streaming.fatal("f");
  assert.deepEqual(sink.lines, [
    "[42] [INF] Server is ready",
    "[42] [WRN] STREAM: w",
    "[42] [ERR] STREAM: e",
    "[42] [FTL] STREAM: f",
  ]);
});

Deno.test("debug and trace of the two parts are independent, and may change", () => {
  const sink = new ListSink();
  const log = logTo(sink, { debug: true, streamingTrace: true });
  assert.deepEqual(
    [log.nats.debugging, log.nats.tracing, log.streaming.debugging, log.streaming.tracing],
    [true, false, false, true],
  );
  for (const view of [log.nats, log.streaming]) {
    view.debug("d");
    view.trace("t");
  }
  log.change({ debug: false });
  log.nats.debug("late");
  assert.deepEqual(sink.lines, ["[42] [DBG] d", "[42] [TRC] STREAM: t"]);
});

Deno.test("timestamps have the reference's form", () => {
  const sink = new ListSink();
  logTo(sink, { timestamps: true }).nats.notice("x");
  assert.match(sink.lines[0]!, /^\[42\] \d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d\.\d{6} \[INF\] x$/);
  const date = new Date();
  const day = `${date.getUTCFullYear()}/${String(date.getUTCMonth() + 1).padStart(2, "0")}/`;
  assert.ok(timeOfDay(true).startsWith(day));
});

Deno.test("timeOfDay() in the local zone is the local time of day", () => {
  const before = new Date().getHours();
  const hour = Number(timeOfDay(false).slice(11, 13));
  assert.ok([before, new Date().getHours()].includes(hour), `${hour}`);
});

Deno.test("times of successive lines do not go back", () => {
  let last = "";
  for (let i = 0; i < 2000; i++) {
    const next = timeOfDay(true);
    assert.ok(next >= last, `${next} after ${last}`);
    last = next;
  }
});

Deno.test("change() to another sink closes the former one", () => {
  const former = new ListSink();
  const next = new ListSink();
  const log = logTo(former);
  log.change({ sink: next });
  log.nats.notice("x");
  assert.deepEqual([former.closed, former.lines.length, next.lines.length], [true, 0, 1]);
});

Deno.test("reopen() of what is not a file says so", () => {
  const sink = new ListSink();
  logTo(sink).reopen();
  assert.deepEqual(sink.lines, ["[42] [INF] STREAM: File log re-open ignored, not a file logger"]);
});
