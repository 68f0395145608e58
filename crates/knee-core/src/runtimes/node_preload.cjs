// Loaded into Node.js by knee (`--require`): writes what the event loop does into a file per
// process, twice a second. It must never disturb the program: every error is swallowed, the
// timer keeps nothing alive.
"use strict";
try {
  const fs = require("node:fs");
  const v8 = require("node:v8");
  const { monitorEventLoopDelay, performance, PerformanceObserver } = require("node:perf_hooks");
  const { isMainThread } = require("node:worker_threads");
  const { subscribe } = require("node:diagnostics_channel");
  const folder = process.env.KNEE_STATUS;
  const every = 500; // ms
  const resolution = 50; // ms: twenty wake-ups a second
  const delay = monitorEventLoopDelay({ resolution });
  let collecting = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) collecting += entry.duration;
  }).observe({ entryTypes: ["gc"] });
  let before = performance.eventLoopUtilization();
  let wrote = performance.now();
  let requests = 0;
  const stalls = (() => {
    const long = 500; // ms that the loop stood still
    const told = 2000; // ms that a stall is told: files are read less often than they are written
    const quiet = 600000; // ms without one, after which nobody looks where it stands any more
    let latest = { at: -Infinity, ms: 0 };
    let where = null;
    let why = null;
    let end = null; // of the looking
    const begin = () => {
      why = "no JavaScript was running";
      try {
        const found = (place) => (where = place);
        end = require("./node-where.cjs").begin(found, (reason) => (why = reason));
      } catch (error) {
        why = `this Node.js does not tell (${error.code || error.name})`.replace(/["\\]/g, "?");
        end = () => {};
      }
    };
    // Takes how long the loop stood still before `now`; what is to be told.
    const see = (now, ms) => {
      const fresh = now - latest.at <= told;
      if (ms >= long && !(fresh && latest.ms > ms)) {
        if (!end) why = "it is looked for from now on";
        latest = { at: now, ms, why: where ? null : why, ...where };
        if (!end) begin();
      } else if (end && now - latest.at > quiet) {
        end();
        end = null;
      }
      where = null;
      return now - latest.at <= told ? latest : {};
    };
    return { see };
  })();
  const write = () => {
    try {
      const now = performance.now();
      // Node records the time between two ticks, so an idle loop shows the resolution; and not
      // the tick after a reset: how late this timer is fills that gap. What the program took to load
      // before its loop began is no lateness.
      const late = now - Math.max(wrote, performance.nodeTiming.loopStart) - every;
      const beyond = (ns) => Math.max(0, ns / 1e6 - resolution);
      const heap = v8.getHeapStatistics();
      const stall = stalls.see(now, Math.max(beyond(delay.max), late));
      const status = {
        delay_p50_ms: beyond(delay.percentile(50)),
        delay_p99_ms: Math.max(beyond(delay.percentile(99)), late),
        utilization: performance.eventLoopUtilization(before).utilization,
        heap_used: heap.used_heap_size,
        heap_limit: heap.heap_size_limit,
        gc: collecting / (now - wrote),
        requests,
        stall_ms: stall.ms,
        stall_file: stall.file,
        stall_line: stall.line,
        stall_function: stall.function,
        stall_why: stall.why,
      };
      delay.reset();
      before = performance.eventLoopUtilization();
      collecting = 0;
      wrote = now;
      const file = `${folder}/${process.pid}.json`;
      fs.writeFileSync(`${file}.part`, JSON.stringify(status));
      fs.renameSync(`${file}.part`, file);
    } catch {}
  };
  // A worker thread has a loop of its own and would write to its process's file.
  if (folder && isMainThread) {
    fs.mkdirSync(folder, { recursive: true });
    delay.enable();
    subscribe?.("http.server.request.start", () => (requests += 1));
    setInterval(write, every).unref();
  }
} catch {}
