"""The CPU part of the orders API: builds, prices and signs orders.

The result depends on its arguments alone, and every example of this folder builds the same
bytes. Money is in cents, rates are in per cent; all numbers are whole.
"""

import hashlib
import json

LINES = 10  # lines of an order
TIERS = 16  # price tiers that a line is tried against
ROUNDS = 64  # times the signature is hashed over the record


def order(number, terms):
    lines = [line(number, position) for position in range(LINES)]
    subtotal = sum(entry["amount"] for entry in lines)
    discount = subtotal * terms["discount"] // 100
    tax = (subtotal - discount) * terms["tax"] // 100
    record = {
        "id": number,
        "customer": f"c{number * 7919 % 9973}",
        "lines": lines,
        "subtotal": subtotal,
        "discount": discount,
        "tax": tax,
        "total": subtotal - discount + tax,
    }
    record["signature"] = sign(encode(record))
    return record


def line(number, position):
    quantity = 1 + (number + position) % 12
    unit_price = 199 + (number * 37 + position * 101) % 5000
    return {
        "sku": f"sku-{(number * 31 + position * 17) % 1000}",
        "quantity": quantity,
        "unit_price": unit_price,
        "amount": best_amount(quantity, unit_price),
    }


def best_amount(quantity, unit_price):
    """The lowest of the tiers' prices: the larger the quantity, the larger the rebate."""
    best = quantity * unit_price
    for tier in range(TIERS):
        if quantity >= tier:
            best = min(best, quantity * (unit_price * (100 - tier) // 100))
    return best


def sign(record):
    digest = ""
    for _ in range(ROUNDS):
        digest = hashlib.sha256((record + digest).encode()).hexdigest()
    return digest


def encode(value):
    return json.dumps(value, separators=(",", ":"))


def orders_json(limit, terms):
    return encode([order(number, terms) for number in range(1, limit + 1)]).encode()
