package wire

// TradingState is what can be done with an instrument, in tapecast's own words.
type TradingState uint8

// Trading states.
const (
	StateUnknown   TradingState = 0
	StateHalted    TradingState = 1
	StatePaused    TradingState = 2
	StateQuoting   TradingState = 3 // quotation only
	StateTrading   TradingState = 4
	StatePreOpen   TradingState = 5
	StateClosed    TradingState = 6
	StateSystem    TradingState = 7 // an event of the market as a whole: see Code
	tradingBodyLen              = 8
)

// TradingStatus is a change of what can be done with an instrument, or with the
// whole market where Instrument is 0.
type TradingStatus struct {
	Head
	State  TradingState
	Code   byte    // the source's own code for the state or event
	Detail byte    // the source's own further byte, 0 without one
	Reason [4]byte // the source's own reason
}

// AppendTo appends the encoded message to b.
func (m *TradingStatus) AppendTo(b []byte) []byte {
	n := len(b)
	b = extend(b, HeadLen+tradingBodyLen)
	room := putHead(b[n:], KindTradingStatus, 0, m.Head)
	room[0], room[1], room[2], room[3] = uint8(m.State), m.Code, m.Detail, 0
	copy(room[4:], m.Reason[:])
	return b
}

// Decode reads m from one whole message: ErrKind or ErrMessage.
func (m *TradingStatus) Decode(msg []byte) error {
	_, body, err := open(msg, KindTradingStatus, &m.Head, tradingBodyLen, tradingBodyLen)
	if err != nil {
		return err
	}
	m.State, m.Code, m.Detail = TradingState(body[0]), body[1], body[2]
	copy(m.Reason[:], body[4:8])
	return nil
}

// Trade is a trade that no order in the book shows: against a hidden order, or a
// cross. FlagA: the order is named. FlagB: a cross.
type Trade struct {
	Head
	Match uint64
	Price int64
	Qty   uint64
	Side  Side   // of the resting order
	Type  byte   // the source's own code, 0 without one
	Order uint64 // 0 when not named
	Cross bool
}

// AppendTo appends the encoded message to b.
func (m *Trade) AppendTo(b []byte) []byte {
	wide := !narrowPrice(m.Price) || !narrowQty(m.Qty)
	flags, w := width(wide)
	flags, size := flags|sideFlag(m.Side), 9+2*w
	if m.Order != 0 {
		flags, size = flags|FlagA, size+8
	}
	if m.Cross {
		flags |= FlagB
	}
	n := len(b)
	b = extend(b, HeadLen+size)
	room := putHead(b[n:], KindTrade, flags, m.Head)
	le.PutUint64(room, m.Match)
	room[8] = m.Type
	rest := putPrice(room[9:], wide, m.Price)
	rest = putQty(rest, wide, m.Qty)
	if m.Order != 0 {
		le.PutUint64(rest, m.Order)
	}
	return b
}

// Decode reads m from one whole message: ErrKind or ErrMessage.
func (m *Trade) Decode(msg []byte) error {
	flags, body, err := open(msg, KindTrade, &m.Head, 17, 25)
	if err != nil {
		return err
	}
	wide := flags&FlagWide != 0
	m.Match, m.Type = le.Uint64(body), body[8]
	m.Price, body = price(body[9:], wide)
	m.Qty, body = qty(body, wide)
	m.Side, m.Cross, m.Order = sideOf(flags), flags&FlagB != 0, 0
	if flags&FlagA == 0 {
		return nil
	}
	if len(body) < 8 {
		return ErrMessage
	}
	m.Order = le.Uint64(body)
	return nil
}

// TradeCancel takes back a trade or an execution.
type TradeCancel struct {
	Head
	Match uint64
}

// AppendTo appends the encoded message to b.
func (m *TradeCancel) AppendTo(b []byte) []byte {
	n := len(b)
	b = extend(b, HeadLen+8)
	room := putHead(b[n:], KindTradeCancel, 0, m.Head)
	le.PutUint64(room, m.Match)
	return b
}

// Decode reads m from one whole message: ErrKind or ErrMessage.
func (m *TradeCancel) Decode(msg []byte) error {
	_, body, err := open(msg, KindTradeCancel, &m.Head, 8, 8)
	if err != nil {
		return err
	}
	m.Match = le.Uint64(body)
	return nil
}

// Imbalance is what an auction would do now.
type Imbalance struct {
	Head
	Direction byte // the source's own codes
	Auction   byte
	Variation byte
	Paired    uint64
	Unpaired  uint64 // the imbalance
	Far       int64
	Near      int64
	Reference int64
}

// AppendTo appends the encoded message to b.
func (m *Imbalance) AppendTo(b []byte) []byte {
	wide := !narrowQty(m.Paired) || !narrowQty(m.Unpaired) ||
		!narrowPrice(m.Far) || !narrowPrice(m.Near) || !narrowPrice(m.Reference)
	flags, w := width(wide)
	n := len(b)
	b = extend(b, HeadLen+4+5*w)
	room := putHead(b[n:], KindImbalance, flags, m.Head)
	room[0], room[1], room[2], room[3] = m.Direction, m.Auction, m.Variation, 0
	rest := putQty(room[4:], wide, m.Paired)
	rest = putQty(rest, wide, m.Unpaired)
	rest = putPrice(rest, wide, m.Far)
	rest = putPrice(rest, wide, m.Near)
	putPrice(rest, wide, m.Reference)
	return b
}

// Decode reads m from one whole message: ErrKind or ErrMessage.
func (m *Imbalance) Decode(msg []byte) error {
	flags, body, err := open(msg, KindImbalance, &m.Head, 24, 44)
	if err != nil {
		return err
	}
	m.Direction, m.Auction, m.Variation = body[0], body[1], body[2]
	wide := flags&FlagWide != 0
	m.Paired, body = qty(body[4:], wide)
	m.Unpaired, body = qty(body, wide)
	m.Far, body = price(body, wide)
	m.Near, body = price(body, wide)
	m.Reference, _ = price(body, wide)
	return nil
}
