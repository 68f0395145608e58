"""A service with what looks like a leak for a while: a cache that fills, garbage. With LEAK each request leaves something
behind: memory (AMOUNT bytes), descriptor (AMOUNT of them)."""

import os

amount = int(os.environ.get("AMOUNT", "1"))
leak = os.environ.get("LEAK")
kept = []
cache = {}
served = 0


def app(environ, start):
    global served
    served += 1
    cache[served % 1000] = [number + served / 3 for number in range(500)]
    if leak == "memory":
        kept.append(b"x" * amount)
    elif leak == "descriptor":
        kept.extend(os.open("/dev/null", os.O_RDONLY) for _ in range(amount))
    start("200 OK", [("Content-Length", "4")])
    return [b"done"]
