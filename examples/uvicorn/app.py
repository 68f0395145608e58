"""An orders API as a plain ASGI application, without a framework.

GET /health                        200 when it serves
GET /api/orders?limit=20&wait=20   `limit` orders; the backend answers after `wait` ms
"""

import asyncio
import json
import os
from urllib.parse import parse_qs, urlsplit

from orders import orders_json

BACKEND = urlsplit(os.environ.get("BACKEND_URL", "http://127.0.0.1:9400"))
BACKEND_TIMEOUT = 15  # seconds
idle = []  # connections to the backend that no request uses: (reader, writer)


class BackendError(Exception):
    """The backend did not answer, or not with the terms of sale."""


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    query = parse_qs(scope["query_string"].decode("latin-1"))
    status, body = await route(scope["path"], query)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def lifespan(receive, send):
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


async def route(path, query):
    if path == "/health":
        return 200, b'{"status":"ok"}'
    if path != "/api/orders":
        return 404, b'{"error":"not found"}'
    try:
        terms = await fetch_terms(number(query, "wait", 20, 10_000))
    except (BackendError, OSError, asyncio.TimeoutError):
        return 502, b'{"error":"backend unavailable"}'
    return 200, orders_json(number(query, "limit", 20, 1000), terms)


def number(query, name, missing, maximum):
    """A whole number from the query, at most `maximum`; `missing` where there is none."""
    text = query.get(name, [""])[0]
    if 1 <= len(text) <= 6 and text.isascii() and text.isdigit():
        return min(int(text), maximum)
    return missing


async def fetch_terms(wait):
    """Asks the backend over an idle connection, or over a new one."""
    while idle:
        try:
            return await asyncio.wait_for(request_terms(*idle.pop(), wait), BACKEND_TIMEOUT)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the backend had closed it: the request is safe to repeat on another
    connection = await asyncio.open_connection(BACKEND.hostname, BACKEND.port or 80)
    try:
        return await asyncio.wait_for(request_terms(*connection, wait), BACKEND_TIMEOUT)
    except asyncio.IncompleteReadError:
        raise BackendError("the backend closed the connection") from None


async def request_terms(reader, writer, wait):
    """One request and its answer; the connection becomes idle only when all went well."""
    try:
        writer.write(f"GET /terms?wait={wait} HTTP/1.1\r\nHost: {BACKEND.netloc}\r\n\r\n".encode())
        status, *headers = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in headers if line)
        body = await reader.readexactly(int(fields["content-length"]))
        if status.split(" ")[1] != "200":
            raise BackendError(status)
    except BaseException:
        writer.close()
        raise
    idle.append((reader, writer))
    return json.loads(body)
