// Says where the event loop stands while it is blocked. Loaded once the loop has stood still: a service
// whose loop never does pays nothing, one whose loop does pays a thread (9 MB, 0.2 % of a core)
// until ten minutes have passed without.
//
// A thread of its own notices that the main thread no longer beats, and has the inspector run a function
// there (in the process, no port is opened). V8 does so in the middle of what blocks: at the end of
// a loop's round, at the next call, while a regular expression backtracks. That function reads
// the stack: names of functions, files and lines, no values. Of a call into native code that does
// not come back for long (JSON.parse of a large text) the next call after it is seen, which is
// in the same function as a rule. V8's profiler would see the call itself; but it cannot be started from
// outside before that returns, and would have to run all the time.
// https://nodejs.org/api/inspector.html#sessionconnecttomainthread
"use strict";
const { Worker, isMainThread, workerData } = require("node:worker_threads");
const { Session } = require("node:inspector");
const { fileURLToPath } = require("node:url");
const key = Symbol.for("knee.where");
const every = 100; // ms
const missed = 3; // beats; the thread's own ticks, as a quota that is used up stops both
const deep = 50; // calls of the stack that are looked at

// What is written must need no escapes in JSON.
const plain = (text) => text.replace(/["\\\u0000-\u001f]/g, "?").slice(0, 200);

const file = (name) => {
  if (name.startsWith("data:")) return "data:"; // the program itself stands behind it
  const path = name.startsWith("file:") ? fileURLToPath(name) : name.split("?")[0];
  const folder = `${process.cwd()}/`;
  return path.startsWith(folder) ? path.slice(folder.length) : path;
};

// The program's own code before its packages', those before Node.js's own.
const pick = (calls) => {
  const foreign = (name) => name.startsWith("node:") || name.includes("/node_modules/");
  const named = calls.filter((call) => call.getFileName());
  const own = named.find((call) => !foreign(call.getFileName()));
  return own || named.find((call) => !call.getFileName().startsWith("node:")) || named[0];
};

// The calls of this moment, without this one and the inspector's.
const stack = () => {
  const { prepareStackTrace, stackTraceLimit } = Error;
  try {
    // Not the program's own: that may be slow, and is not meant to be called here.
    Error.prepareStackTrace = (_, calls) => calls;
    Error.stackTraceLimit = deep;
    return new Error().stack.slice(3);
  } finally {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  }
};

// Beats, and hands over where the main thread stood when it did not. Calls `ended` with the reason if
// the thread ends by itself; returns what ends it.
exports.begin = (found, ended) => {
  const beats = new Int32Array(new SharedArrayBuffer(4));
  const look = () => {
    try {
      const call = pick(stack());
      if (!call) return;
      const name = call.getFunctionName() || "(anonymous)";
      found({ file: plain(file(call.getFileName())), line: call.getLineNumber(), function: plain(name) });
    } catch {}
  };
  Object.defineProperty(process, key, { value: look, configurable: true });
  // Neither the program's own preloads nor its environment.
  const limits = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 };
  const thread = new Worker(__filename, { workerData: beats, env: {}, execArgv: [], resourceLimits: limits });
  thread.on("error", (error) => ended(plain(`its thread ended: ${error.code || error.name}`)));
  thread.unref();
  const beat = setInterval(() => Atomics.add(beats, 0, 1), every).unref();
  return () => {
    clearInterval(beat);
    delete process[key];
    thread.terminate();
  };
};

const watch = (beats) => {
  let seen = -1;
  let still = 0;
  setInterval(() => {
    const now = Atomics.load(beats, 0);
    still = now === seen ? still + 1 : 0;
    seen = now;
    // Once in each stall. Connected only for that: a session that stays holds up the process's end.
    if (still !== missed) return;
    const session = new Session();
    session.connectToMainThread();
    const expression = `process[Symbol.for(${JSON.stringify(key.description)})]?.()`;
    session.post("Runtime.evaluate", { expression }, () => session.disconnect());
  }, every);
};
if (!isMainThread) watch(workerData);
