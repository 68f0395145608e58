"""An orders API as a plain WSGI application.

GET /health                        200 when it serves
GET /api/orders?limit=20&wait=20   `limit` orders; the backend answers after `wait` ms
"""

import http.client
import json
import os
import threading
from urllib.parse import parse_qs, urlsplit

from orders import orders_json

BACKEND = urlsplit(os.environ.get("BACKEND_URL", "http://127.0.0.1:9400")).netloc
BACKEND_TIMEOUT = 15  # seconds
local = threading.local()


def app(environ, start_response):
    status, body = route(environ["PATH_INFO"], parse_qs(environ["QUERY_STRING"]))
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [body]


def route(path, query):
    if path == "/health":
        return "200 OK", b'{"status":"ok"}'
    if path != "/api/orders":
        return "404 Not Found", b'{"error":"not found"}'
    try:
        terms = fetch_terms(number(query, "wait", 20, 10_000))
    except (OSError, http.client.HTTPException):
        return "502 Bad Gateway", b'{"error":"backend unavailable"}'
    return "200 OK", orders_json(number(query, "limit", 20, 1000), terms)


def number(query, name, missing, maximum):
    """A whole number from the query, at most `maximum`; `missing` where there is none."""
    text = query.get(name, [""])[0]
    if 1 <= len(text) <= 6 and text.isascii() and text.isdigit():
        return min(int(text), maximum)
    return missing


def fetch_terms(wait):
    """Asks the backend over this thread's connection, which is kept open between requests."""
    if not hasattr(local, "backend"):
        local.backend = http.client.HTTPConnection(BACKEND, timeout=BACKEND_TIMEOUT)
    try:
        return request_terms(local.backend, wait)
    except (ConnectionError, http.client.BadStatusLine):
        # The backend closed the idle connection: the request is safe to repeat once.
        local.backend.close()
        return request_terms(local.backend, wait)


def request_terms(backend, wait):
    try:
        backend.request("GET", f"/terms?wait={wait}")
        response = backend.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException):
        backend.close()
        raise
    if response.status != 200:
        raise http.client.HTTPException(f"the backend answered {response.status}")
    return json.loads(body)
