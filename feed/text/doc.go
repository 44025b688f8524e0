// Package text renders messages, one a line, for people and for programs.
//
// A Printer learns symbols and exponents from the instrument definitions that it
// prints or is shown. It is plain code on the caller's bytes: nothing of a message
// is trusted, nothing reflects, and a line costs no allocation once dst is large
// enough, but for instruments seen for the first time.
//
// # Text
//
// Stamp (UTC), sequence, symbol, kind, then name=value with prices and quantities
// as decimals; what is empty or false is left out. Bytes that are not printable
// ASCII appear as \xNN. An instrument that was not declared is #ID, and its numbers
// are mantissas marked e?.
//
// # JSON
//
// One object a line. Numbers are the raw integers of the message; instrument ids,
// order references and quantities may exceed 2^53. One byte becomes one character,
// U+0000 to U+00FF, so strings lose nothing and are ASCII on the line. First, in
// every object:
//
//	seq         sequence
//	stamp       ns UTC
//	kind        name of the kind; "unknown"
//	instrument  id, 0 none
//	symbol      of the instrument, "" while not declared
//	source      ns since the source's midnight
//
// Then, by kind, with prices as mantissas, codes as strings of one character ("" for
// a zero byte), and padding of longer strings (spaces, zeros) trimmed:
//
//	instrument_definition  price_exponent qty_exponent class lot time_base currency
//	                       venue format, and attributes {...} or data
//	trading_status         state code detail reason
//	trade                  match price qty side type order cross; no side for a cross
//	trade_cancel           match
//	order_add              order side price qty participant
//	order_modify           order qty reduced
//	order_execute          order match qty priced non_printable; price if priced
//	order_delete           order
//	order_replace          order new price qty
//	imbalance              direction auction variation paired unpaired far near reference
//	opaque                 format; for ITCH also type, and where they are known name and
//	                       fields {...}; otherwise data
//
// side is "buy" or "sell"; reduced, cross, priced and non_printable are booleans;
// data is hex. A kind without a layout here has number, length and data (its body).
// A message that does not decode has error and data (all behind its head).
package text
