<?php

/*
 * The CPU part of the orders API: builds, prices and signs orders.
 *
 * The result depends on its arguments alone, and every example of this folder builds the same
 * bytes. Money is in cents, rates are in per cent; all numbers are whole.
 */

declare(strict_types=1);

const LINES = 10; // lines of an order
const TIERS = 16; // price tiers that a line is tried against
const ROUNDS = 64; // times the signature is hashed over the record

function order(int $number, array $terms): array
{
    $lines = [];
    for ($position = 0; $position < LINES; $position++) {
        $lines[] = line($number, $position);
    }
    $subtotal = array_sum(array_column($lines, 'amount'));
    $discount = intdiv($subtotal * $terms['discount'], 100);
    $tax = intdiv(($subtotal - $discount) * $terms['tax'], 100);
    $record = [
        'id' => $number,
        'customer' => 'c' . $number * 7919 % 9973,
        'lines' => $lines,
        'subtotal' => $subtotal,
        'discount' => $discount,
        'tax' => $tax,
        'total' => $subtotal - $discount + $tax,
    ];
    $record['signature'] = sign(json_encode($record));
    return $record;
}

function line(int $number, int $position): array
{
    $quantity = 1 + ($number + $position) % 12;
    $unitPrice = 199 + ($number * 37 + $position * 101) % 5000;
    return [
        'sku' => 'sku-' . ($number * 31 + $position * 17) % 1000,
        'quantity' => $quantity,
        'unit_price' => $unitPrice,
        'amount' => bestAmount($quantity, $unitPrice),
    ];
}

/** The lowest of the tiers' prices: the larger the quantity, the larger the rebate. */
function bestAmount(int $quantity, int $unitPrice): int
{
    $best = $quantity * $unitPrice;
    for ($tier = 0; $tier < TIERS; $tier++) {
        if ($quantity >= $tier) {
            $best = min($best, $quantity * intdiv($unitPrice * (100 - $tier), 100));
        }
    }
    return $best;
}

function sign(string $record): string
{
    $digest = '';
    for ($round = 0; $round < ROUNDS; $round++) {
        $digest = hash('sha256', $record . $digest);
    }
    return $digest;
}

function ordersJson(int $limit, array $terms): string
{
    $orders = [];
    for ($number = 1; $number <= $limit; $number++) {
        $orders[] = order($number, $terms);
    }
    return json_encode($orders);
}
