package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
)

// The CPU part of the orders API: builds, prices and signs orders. The result depends on its
// arguments alone, and every example builds the same bytes. Money is in cents, rates in per cent.
const (
	linesPerOrder = 10 // lines of an order
	tiers         = 16 // price tiers that a line is tried against
	rounds        = 64 // times the signature is hashed over the record
)

type terms struct {
	Discount int `json:"discount"`
	Tax      int `json:"tax"`
}

type line struct {
	SKU       string `json:"sku"`
	Quantity  int    `json:"quantity"`
	UnitPrice int    `json:"unit_price"`
	Amount    int    `json:"amount"`
}

type order struct {
	ID        int    `json:"id"`
	Customer  string `json:"customer"`
	Lines     []line `json:"lines"`
	Subtotal  int    `json:"subtotal"`
	Discount  int    `json:"discount"`
	Tax       int    `json:"tax"`
	Total     int    `json:"total"`
	Signature string `json:"signature,omitempty"`
}

func ordersJSON(limit int, t terms) ([]byte, error) {
	orders := make([]order, limit)
	for i := range orders {
		var err error
		if orders[i], err = newOrder(i+1, t); err != nil {
			return nil, err
		}
	}
	return json.Marshal(orders)
}

func newOrder(number int, t terms) (order, error) {
	o := order{ID: number, Customer: "c" + strconv.Itoa(number*7919%9973), Lines: make([]line, linesPerOrder)}
	for position := range o.Lines {
		o.Lines[position] = newLine(number, position)
		o.Subtotal += o.Lines[position].Amount
	}
	o.Discount = o.Subtotal * t.Discount / 100
	o.Tax = (o.Subtotal - o.Discount) * t.Tax / 100
	o.Total = o.Subtotal - o.Discount + o.Tax
	record, err := json.Marshal(o)
	o.Signature = sign(record)
	return o, err
}

func newLine(number, position int) line {
	quantity := 1 + (number+position)%12
	unitPrice := 199 + (number*37+position*101)%5000
	return line{
		SKU:       "sku-" + strconv.Itoa((number*31+position*17)%1000),
		Quantity:  quantity,
		UnitPrice: unitPrice,
		Amount:    bestAmount(quantity, unitPrice),
	}
}

// bestAmount is the lowest of the tiers' prices: the larger the quantity, the larger the rebate.
func bestAmount(quantity, unitPrice int) int {
	best := quantity * unitPrice
	for tier := range tiers {
		if quantity >= tier {
			best = min(best, quantity*(unitPrice*(100-tier)/100))
		}
	}
	return best
}

func sign(record []byte) string {
	digest := ""
	for range rounds {
		sum := sha256.Sum256([]byte(string(record) + digest))
		digest = hex.EncodeToString(sum[:])
	}
	return digest
}
