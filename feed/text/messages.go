package text

import "github.com/tapecast/tapecast/feed/wire"

// message writes what is particular to a kind. A message that does not decode
// writes an error and its bytes.
func (w *writer) message(h head, msg []byte) {
	if err := w.body(h, msg); err != nil {
		w.error(err)
		w.hex("data", h.body)
	}
}

func (w *writer) body(h head, msg []byte) error {
	switch h.kind {
	case 0:
		return wire.ErrMessage
	case wire.KindInstrumentDefinition:
		return w.definition(msg)
	case wire.KindTradingStatus:
		return w.tradingStatus(msg)
	case wire.KindTrade:
		return w.trade(msg)
	case wire.KindTradeCancel:
		return w.tradeCancel(msg)
	case wire.KindOrderAdd:
		return w.orderAdd(msg)
	case wire.KindOrderModify:
		return w.orderModify(msg)
	case wire.KindOrderExecute:
		return w.orderExecute(msg)
	case wire.KindOrderDelete:
		return w.orderDelete(msg)
	case wire.KindOrderReplace:
		return w.orderReplace(msg)
	case wire.KindImbalance:
		return w.imbalance(msg)
	case wire.KindOpaque:
		return w.opaque(msg)
	}
	w.uint("number", uint64(h.kind))
	w.uint("length", uint64(len(msg)))
	w.hex("data", h.body)
	return nil
}

func (w *writer) tradingStatus(msg []byte) error {
	var m wire.TradingStatus
	if err := m.Decode(msg); err != nil {
		return err
	}
	w.word("state", stateName(m.State))
	w.code("code", m.Code)
	w.code("detail", m.Detail)
	w.text("reason", m.Reason[:])
	return nil
}

func (w *writer) trade(msg []byte) error {
	var m wire.Trade
	if err := m.Decode(msg); err != nil {
		return err
	}
	w.uint("match", m.Match)
	w.price("price", m.Price)
	w.qty("qty", m.Qty)
	if !m.Cross {
		w.word("side", sideName(m.Side))
	}
	w.code("type", m.Type)
	if w.json || m.Order != 0 {
		w.uint("order", m.Order)
	}
	w.flag("cross", m.Cross)
	return nil
}

func (w *writer) tradeCancel(msg []byte) error {
	var m wire.TradeCancel
	if err := m.Decode(msg); err != nil {
		return err
	}
	w.uint("match", m.Match)
	return nil
}

func (w *writer) orderAdd(msg []byte) error {
	var m wire.OrderAdd
	if err := m.Decode(msg); err != nil {
		return err
	}
	w.uint("order", m.Order)
	w.word("side", sideName(m.Side))
	w.price("price", m.Price)
	w.qty("qty", m.Qty)
	w.text("participant", m.Participant[:])
	return nil
}

func (w *writer) orderModify(msg []byte) error {
	var m wire.OrderModify
	if err := m.Decode(msg); err != nil {
		return err
	}
	w.uint("order", m.Order)
	w.qty("qty", m.Qty)
	w.flag("reduced", m.Reduced)
	return nil
}

func (w *writer) orderExecute(msg []byte) error {
	var m wire.OrderExecute
	if err := m.Decode(msg); err != nil {
		return err
	}
	w.uint("order", m.Order)
	w.uint("match", m.Match)
	w.qty("qty", m.Qty)
	if w.json {
		w.flag("priced", m.Priced)
	}
	if m.Priced {
		w.price("price", m.Price)
	}
	w.flag("non_printable", m.NonPrintable)
	return nil
}

func (w *writer) orderDelete(msg []byte) error {
	var m wire.OrderDelete
	if err := m.Decode(msg); err != nil {
		return err
	}
	w.uint("order", m.Order)
	return nil
}

func (w *writer) orderReplace(msg []byte) error {
	var m wire.OrderReplace
	if err := m.Decode(msg); err != nil {
		return err
	}
	w.uint("order", m.Order)
	w.uint("new", m.New)
	w.price("price", m.Price)
	w.qty("qty", m.Qty)
	return nil
}

func (w *writer) imbalance(msg []byte) error {
	var m wire.Imbalance
	if err := m.Decode(msg); err != nil {
		return err
	}
	w.code("direction", m.Direction)
	w.code("auction", m.Auction)
	w.code("variation", m.Variation)
	w.qty("paired", m.Paired)
	w.qty("unpaired", m.Unpaired)
	w.price("far", m.Far)
	w.price("near", m.Near)
	w.price("reference", m.Reference)
	return nil
}

func sideName(s wire.Side) string {
	if s == wire.Sell {
		return "sell"
	}
	return "buy"
}

// stateNames are the words for trading states, by number.
var stateNames = [...]string{
	wire.StateUnknown: "unknown", wire.StateHalted: "halted", wire.StatePaused: "paused",
	wire.StateQuoting: "quoting", wire.StateTrading: "trading", wire.StatePreOpen: "pre_open",
	wire.StateClosed: "closed", wire.StateSystem: "system",
}

func stateName(s wire.TradingState) string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}
