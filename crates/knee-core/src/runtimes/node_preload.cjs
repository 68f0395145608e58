// Loaded into Node.js by knee (`--require`): writes what the event loop does into a file per
// process, twice a second. It must never disturb the program: every error is swallowed, the
// timer keeps nothing alive.
"use strict";
try {
  const fs = require("node:fs");
  const v8 = require("node:v8");
  const { monitorEventLoopDelay, performance, PerformanceObserver } = require("node:perf_hooks");
  const { isMainThread } = require("node:worker_threads");
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
  const write = () => {
    try {
      const now = performance.now();
      // Node records the time between two ticks, so an idle loop shows the resolution; and not
      // the tick after a reset: how late this timer is fills that gap.
      const late = now - wrote - every;
      const at = (percentile) => Math.max(0, delay.percentile(percentile) / 1e6 - resolution);
      const heap = v8.getHeapStatistics();
      const status = {
        delay_p50_ms: at(50),
        delay_p99_ms: Math.max(at(99), late),
        utilization: performance.eventLoopUtilization(before).utilization,
        heap_used: heap.used_heap_size,
        heap_limit: heap.heap_size_limit,
        gc: collecting / (now - wrote),
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
    setInterval(write, every).unref();
  }
} catch {}
