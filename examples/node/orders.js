// The CPU part of the orders API: builds, prices and signs orders.
//
// The result depends on its arguments alone, and every example of this folder builds the same
// bytes. Money is in cents, rates are in per cent; all numbers are whole.
"use strict";

const { createHash } = require("node:crypto");

const LINES = 10; // lines of an order
const TIERS = 16; // price tiers that a line is tried against
const ROUNDS = 64; // times the signature is hashed over the record

function order(number, terms) {
  const lines = Array.from({ length: LINES }, (_, position) => line(number, position));
  const subtotal = lines.reduce((sum, entry) => sum + entry.amount, 0);
  const discount = Math.floor((subtotal * terms.discount) / 100);
  const tax = Math.floor(((subtotal - discount) * terms.tax) / 100);
  const record = {
    id: number,
    customer: `c${(number * 7919) % 9973}`,
    lines,
    subtotal,
    discount,
    tax,
    total: subtotal - discount + tax,
  };
  record.signature = sign(JSON.stringify(record));
  return record;
}

function line(number, position) {
  const quantity = 1 + ((number + position) % 12);
  const unitPrice = 199 + ((number * 37 + position * 101) % 5000);
  return {
    sku: `sku-${(number * 31 + position * 17) % 1000}`,
    quantity,
    unit_price: unitPrice,
    amount: bestAmount(quantity, unitPrice),
  };
}

// The lowest of the tiers' prices: the larger the quantity, the larger the rebate.
function bestAmount(quantity, unitPrice) {
  let best = quantity * unitPrice;
  for (let tier = 0; tier < TIERS; tier++) {
    if (quantity >= tier) {
      best = Math.min(best, quantity * Math.floor((unitPrice * (100 - tier)) / 100));
    }
  }
  return best;
}

function sign(record) {
  let digest = "";
  for (let round = 0; round < ROUNDS; round++) {
    digest = createHash("sha256").update(record + digest).digest("hex");
  }
  return digest;
}

function ordersJson(limit, terms) {
  return JSON.stringify(Array.from({ length: limit }, (_, index) => order(index + 1, terms)));
}

module.exports = { ordersJson };
