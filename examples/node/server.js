// An orders API on node:http.
//
// GET /health                        200 when it serves
// GET /api/orders?limit=20&wait=20   `limit` orders; the backend answers after `wait` ms
//
// One process, or a cluster of WEB_CONCURRENCY processes where that is more than one.
"use strict";

const cluster = require("node:cluster");
const http = require("node:http");
const { ordersJson } = require("./orders.js");

const BACKEND_URL = process.env.BACKEND_URL ?? "http://127.0.0.1:9400";
const BACKEND_TIMEOUT = 15_000; // ms
const PORT = Number(process.env.PORT ?? 8083);
const PROCESSES = Number(process.env.WEB_CONCURRENCY ?? 1);

const agent = new http.Agent({ keepAlive: true, maxFreeSockets: 1024 });

// Asks the backend; calls back with an error or the terms of sale.
function fetchTerms(wait, done) {
  const request = http.get(`${BACKEND_URL}/terms?wait=${wait}`, { agent, timeout: BACKEND_TIMEOUT });
  request.on("timeout", () => request.destroy(new Error("the backend does not answer")));
  request.on("error", done);
  request.on("response", (response) => {
    let body = "";
    response.setEncoding("utf8");
    response.on("data", (text) => (body += text));
    response.on("error", done);
    response.on("end", () => {
      if (response.statusCode !== 200) done(new Error(`the backend answered ${response.statusCode}`));
      else done(null, JSON.parse(body));
    });
  });
}

// A whole number from the query, at most `max`; `missing` where there is none.
function number(query, name, missing, max) {
  const text = query.get(name) ?? "";
  return /^[0-9]{1,6}$/.test(text) ? Math.min(Number(text), max) : missing;
}

function answer(response, status, body) {
  response.writeHead(status, {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(body),
  });
  response.end(body);
}

function handle(request, response) {
  const [path, search] = request.url.split("?", 2);
  if (path === "/health") return answer(response, 200, '{"status":"ok"}');
  if (path !== "/api/orders") return answer(response, 404, '{"error":"not found"}');
  const query = new URLSearchParams(search);
  fetchTerms(number(query, "wait", 20, 10_000), (error, terms) => {
    if (error) answer(response, 502, '{"error":"backend unavailable"}');
    else answer(response, 200, ordersJson(number(query, "limit", 20, 1000), terms));
  });
}

// No access log: a line for every request costs CPU and disk.
function serve() {
  const server = http.createServer(handle);
  // Longer than a load balancer keeps an idle connection, so that it never uses one that closes.
  server.keepAliveTimeout = 75_000;
  server.listen({ host: "127.0.0.1", port: PORT });
  process.on("SIGTERM", () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
}

// A worker that dies takes the service down: ECS starts the task again, and sees that it died.
function supervise() {
  let stopping = false;
  process.on("SIGTERM", () => {
    stopping = true;
    for (const worker of Object.values(cluster.workers)) worker.process.kill("SIGTERM");
  });
  cluster.on("exit", () => {
    if (!stopping) process.exit(1);
  });
  for (let worker = 0; worker < PROCESSES; worker++) cluster.fork();
}

if (PROCESSES > 1 && cluster.isPrimary) supervise();
else serve();
