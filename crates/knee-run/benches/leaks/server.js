// A service with what looks like a leak for a while: a cache that fills, garbage. With LEAK each request leaves
// something behind: memory (AMOUNT bytes), descriptor (AMOUNT of them), timer (as many as are missing to AMOUNT for each second since
// the first one, up to a second of computing in each turn of the loop; then it ends with 9).
"use strict";
const fs = require("node:fs");
const http = require("node:http");

const amount = Number(process.env.AMOUNT ?? 1);
const kept = [];
const cache = new Map();
let served = 0;
let began = 0;

function compute(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

const leave = {
  memory: () => kept.push(Buffer.alloc(amount, 1)),
  descriptor: () => {
    for (let n = 0; n < amount; n += 1) kept.push(fs.openSync("/dev/null"));
  },
  timer: () => {
    const due = (amount * (performance.now() - began)) / 1000;
    while (kept.length < due) kept.push(setInterval(compute, 50, 1));
    if (kept.length > 1000) process.exit(9);
  },
}[process.env.LEAK];

http
  .createServer((_, response) => {
    served += 1;
    began ||= performance.now();
    cache.set(served % 2000, Array.from({ length: 500 }, (_, n) => n + served / 3));
    leave?.();
    response.end("done");
  })
  .listen(Number(process.env.PORT), "127.0.0.1");
