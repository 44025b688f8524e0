package itch

import "github.com/tapecast/tapecast/feed/wire"

// appendKnown appends the message for m, which is understood and no stock
// directory message. The offsets below are those of the specification.
func appendKnown(dst []byte, h wire.Head, m []byte) []byte {
	switch m[offType] {
	case 'A', 'F':
		return appendAdd(dst, h, m)
	case 'E', 'C':
		return appendExecute(dst, h, m)
	case 'X':
		msg := wire.OrderModify{Head: h, Order: u64(m[11:]), Qty: uint64(u32(m[19:])), Reduced: true}
		return msg.AppendTo(dst)
	case 'D':
		msg := wire.OrderDelete{Head: h, Order: u64(m[11:])}
		return msg.AppendTo(dst)
	case 'U':
		msg := wire.OrderReplace{Head: h, Order: u64(m[11:]), New: u64(m[19:]), Qty: uint64(u32(m[27:])), Price: int64(u32(m[31:]))}
		return msg.AppendTo(dst)
	case 'P':
		return appendTrade(dst, h, m)
	case 'Q':
		msg := wire.Trade{Head: h, Qty: u64(m[11:]), Price: int64(u32(m[27:])), Match: u64(m[31:]), Type: m[39], Cross: true}
		return msg.AppendTo(dst)
	case 'B':
		msg := wire.TradeCancel{Head: h, Match: u64(m[11:])}
		return msg.AppendTo(dst)
	case 'I':
		return appendImbalance(dst, h, m)
	case 'H':
		return appendStatus(dst, h, m)
	case 'S':
		msg := wire.TradingStatus{Head: h, State: wire.StateSystem, Code: m[11]}
		return msg.AppendTo(dst)
	}
	return appendOpaque(dst, h, m)
}

func appendAdd(dst []byte, h wire.Head, m []byte) []byte {
	msg := wire.OrderAdd{Head: h, Order: u64(m[11:]), Side: side(m[19]), Qty: uint64(u32(m[20:])), Price: int64(u32(m[32:]))}
	if m[offType] == 'F' {
		msg.Participant = [4]byte(m[36:])
	}
	return msg.AppendTo(dst)
}

func appendExecute(dst []byte, h wire.Head, m []byte) []byte {
	msg := wire.OrderExecute{Head: h, Order: u64(m[11:]), Qty: uint64(u32(m[19:])), Match: u64(m[23:])}
	if m[offType] == 'C' {
		msg.NonPrintable = m[31] == 'N'
		msg.Priced, msg.Price = true, int64(u32(m[32:]))
	}
	return msg.AppendTo(dst)
}

func appendTrade(dst []byte, h wire.Head, m []byte) []byte {
	msg := wire.Trade{
		Head: h, Order: u64(m[11:]), Side: side(m[19]), Qty: uint64(u32(m[20:])),
		Price: int64(u32(m[32:])), Match: u64(m[36:]),
	}
	return msg.AppendTo(dst)
}

func appendImbalance(dst []byte, h wire.Head, m []byte) []byte {
	msg := wire.Imbalance{
		Head: h, Paired: u64(m[11:]), Unpaired: u64(m[19:]), Direction: m[27],
		Far: int64(u32(m[36:])), Near: int64(u32(m[40:])), Reference: int64(u32(m[44:])),
		Auction: m[48], Variation: m[49],
	}
	return msg.AppendTo(dst)
}

func appendStatus(dst []byte, h wire.Head, m []byte) []byte {
	msg := wire.TradingStatus{Head: h, State: state(m[19]), Code: m[19], Detail: m[20], Reason: [4]byte(m[21:])}
	return msg.AppendTo(dst)
}

// appendOpaque carries the type byte and what follows the timestamp; locate and
// time are in the head.
func appendOpaque(dst []byte, h wire.Head, m []byte) []byte {
	var data [64]byte // longer than any message: sizes
	data[0] = m[offType]
	n := 1 + copy(data[1:], m[offBody:])
	msg := wire.Opaque{Head: h, Format: wire.FormatITCH50, Data: data[:n]}
	return msg.AppendTo(dst)
}

func side(code byte) wire.Side {
	if code == 'S' {
		return wire.Sell
	}
	return wire.Buy
}

func state(code byte) wire.TradingState {
	switch code {
	case 'H':
		return wire.StateHalted
	case 'P':
		return wire.StatePaused
	case 'Q':
		return wire.StateQuoting
	case 'T':
		return wire.StateTrading
	}
	return wire.StateUnknown
}
