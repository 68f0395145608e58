// Loaded into Node.js by knee (`--require`): writes what the event loop does into a file per
// process, twice a second. It must never disturb the program: every error is swallowed, the
// timer keeps nothing alive.
"use strict";
try {
  const fs = require("node:fs");
  const v8 = require("node:v8");
  const { monitorEventLoopDelay, performance, PerformanceObserver } = require("node:perf_hooks");
  const folder = process.env.KNEE_STATUS;
  const delay = monitorEventLoopDelay({ resolution: 10 });
  let collecting = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) collecting += entry.duration;
  }).observe({ entryTypes: ["gc"] });
  let before = performance.eventLoopUtilization();
  let wrote = performance.now();
  const write = () => {
    try {
      const now = performance.now();
      const status = {
        loop_p50_ms: delay.percentile(50) / 1e6,
        loop_p99_ms: delay.percentile(99) / 1e6,
        utilization: performance.eventLoopUtilization(before).utilization,
        heap_used: process.memoryUsage().heapUsed,
        heap_limit: v8.getHeapStatistics().heap_size_limit,
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
  if (folder) {
    fs.mkdirSync(folder, { recursive: true });
    delay.enable();
    setInterval(write, 500).unref();
  }
} catch {}
