// What the orders APIs wait for, as they would for a database: it stands outside the task.
//
// GET /terms?wait=20 answers the terms of sale after 20 ms. GET /api/orders?limit=20&wait=20
// answers a whole list after that time, from a cache: it is what the nginx example fronts.
// One process, kept-alive connections, no logs: 2,000 requests a second are cheap for it.
"use strict";

const http = require("node:http");
const { ordersJson } = require("../node/orders.js");

const TERMS = { discount: 7, tax: 19 };
const terms = JSON.stringify(TERMS);
const lists = new Map();

// A whole number from the query, at most `max`; `missing` where there is none.
function number(query, name, missing, max) {
  const text = query.get(name) ?? "";
  return /^[0-9]{1,6}$/.test(text) ? Math.min(Number(text), max) : missing;
}

function list(limit) {
  if (!lists.has(limit)) lists.set(limit, ordersJson(limit, TERMS));
  return lists.get(limit);
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
  const query = new URLSearchParams(search);
  const wait = number(query, "wait", 20, 10_000);
  if (path === "/health") {
    answer(response, 200, '{"status":"ok"}');
  } else if (path === "/terms") {
    setTimeout(answer, wait, response, 200, terms);
  } else if (path === "/api/orders") {
    setTimeout(answer, wait, response, 200, list(number(query, "limit", 20, 1000)));
  } else {
    answer(response, 404, '{"error":"not found"}');
  }
}

const server = http.createServer(handle);
// Longer than any client here keeps a connection: the client closes first, never the server.
server.keepAliveTimeout = 75_000;
server.listen({ host: "127.0.0.1", port: Number(process.env.PORT ?? 9400), backlog: 4096 }, () => {
  console.log(`backend: listening on 127.0.0.1:${server.address().port}`);
});
