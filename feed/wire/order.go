package wire

// OrderAdd puts an order into the book. FlagA: attributed to a participant.
type OrderAdd struct {
	Head
	Order       uint64
	Side        Side
	Price       int64
	Qty         uint64
	Participant [4]byte // all zero when not attributed
}

// AppendTo appends the encoded message to b.
func (m *OrderAdd) AppendTo(b []byte) []byte {
	wide := !narrowPrice(m.Price) || !narrowQty(m.Qty)
	flags, w := width(wide)
	flags, size := flags|sideFlag(m.Side), 8+2*w
	if m.Participant != [4]byte{} {
		flags, size = flags|FlagA, size+4
	}
	n := len(b)
	b = extend(b, HeadLen+size)
	room := putHead(b[n:], KindOrderAdd, flags, m.Head)
	le.PutUint64(room, m.Order)
	rest := putPrice(room[8:], wide, m.Price)
	rest = putQty(rest, wide, m.Qty)
	if flags&FlagA != 0 {
		copy(rest, m.Participant[:])
	}
	return b
}

// Decode reads m from one whole message: ErrKind or ErrMessage.
func (m *OrderAdd) Decode(msg []byte) error {
	flags, body, err := open(msg, KindOrderAdd, &m.Head, 16, 24)
	if err != nil {
		return err
	}
	wide := flags&FlagWide != 0
	m.Order, m.Side, m.Participant = le.Uint64(body), sideOf(flags), [4]byte{}
	m.Price, body = price(body[8:], wide)
	m.Qty, body = qty(body, wide)
	if flags&FlagA != 0 && copy(m.Participant[:], body) < 4 {
		return ErrMessage
	}
	return nil
}

// OrderModify changes the open quantity of an order, which keeps its place in the
// queue. FlagA: Qty is what was taken away, not what is open now.
type OrderModify struct {
	Head
	Order   uint64
	Qty     uint64
	Reduced bool // Qty was taken away
}

// AppendTo appends the encoded message to b.
func (m *OrderModify) AppendTo(b []byte) []byte {
	wide := !narrowQty(m.Qty)
	flags, w := width(wide)
	if m.Reduced {
		flags |= FlagA
	}
	n := len(b)
	b = extend(b, HeadLen+8+w)
	room := putHead(b[n:], KindOrderModify, flags, m.Head)
	le.PutUint64(room, m.Order)
	putQty(room[8:], wide, m.Qty)
	return b
}

// Decode reads m from one whole message: ErrKind or ErrMessage.
func (m *OrderModify) Decode(msg []byte) error {
	flags, body, err := open(msg, KindOrderModify, &m.Head, 12, 16)
	if err != nil {
		return err
	}
	m.Order, m.Reduced = le.Uint64(body), flags&FlagA != 0
	m.Qty, _ = qty(body[8:], flags&FlagWide != 0)
	return nil
}

// OrderExecute fills an order in part or whole. FlagA: at a price of its own.
// FlagB: not to be printed as a trade, since another message does.
type OrderExecute struct {
	Head
	Order        uint64
	Match        uint64
	Qty          uint64
	Price        int64 // with Priced
	Priced       bool  // at Price, not at the order's own
	NonPrintable bool
}

// AppendTo appends the encoded message to b.
func (m *OrderExecute) AppendTo(b []byte) []byte {
	wide := !narrowQty(m.Qty) || m.Priced && !narrowPrice(m.Price)
	flags, w := width(wide)
	size := 16 + w
	if m.Priced {
		flags, size = flags|FlagA, size+w
	}
	if m.NonPrintable {
		flags |= FlagB
	}
	n := len(b)
	b = extend(b, HeadLen+size)
	room := putHead(b[n:], KindOrderExecute, flags, m.Head)
	le.PutUint64(room, m.Order)
	le.PutUint64(room[8:], m.Match)
	rest := putQty(room[16:], wide, m.Qty)
	if m.Priced {
		putPrice(rest, wide, m.Price)
	}
	return b
}

// Decode reads m from one whole message: ErrKind or ErrMessage.
func (m *OrderExecute) Decode(msg []byte) error {
	flags, body, err := open(msg, KindOrderExecute, &m.Head, 20, 24)
	if err != nil {
		return err
	}
	m.Order, m.Match = le.Uint64(body), le.Uint64(body[8:])
	wide := flags&FlagWide != 0
	m.Qty, body = qty(body[16:], wide)
	m.Price = 0
	m.Priced, m.NonPrintable = flags&FlagA != 0, flags&FlagB != 0
	if !m.Priced {
		return nil
	}
	if _, w := width(wide); len(body) < w {
		return ErrMessage
	}
	m.Price, _ = price(body, wide)
	return nil
}

// OrderDelete takes an order out of the book.
type OrderDelete struct {
	Head
	Order uint64
}

// AppendTo appends the encoded message to b.
func (m *OrderDelete) AppendTo(b []byte) []byte {
	n := len(b)
	b = extend(b, HeadLen+8)
	room := putHead(b[n:], KindOrderDelete, 0, m.Head)
	le.PutUint64(room, m.Order)
	return b
}

// Decode reads m from one whole message: ErrKind or ErrMessage.
func (m *OrderDelete) Decode(msg []byte) error {
	_, body, err := open(msg, KindOrderDelete, &m.Head, 8, 8)
	if err != nil {
		return err
	}
	m.Order = le.Uint64(body)
	return nil
}

// OrderReplace takes an order out of the book and puts a new one in, on the same
// side and for the same participant.
type OrderReplace struct {
	Head
	Order uint64 // taken out
	New   uint64 // put in
	Price int64
	Qty   uint64
}

// AppendTo appends the encoded message to b.
func (m *OrderReplace) AppendTo(b []byte) []byte {
	wide := !narrowPrice(m.Price) || !narrowQty(m.Qty)
	flags, w := width(wide)
	n := len(b)
	b = extend(b, HeadLen+16+2*w)
	room := putHead(b[n:], KindOrderReplace, flags, m.Head)
	le.PutUint64(room, m.Order)
	le.PutUint64(room[8:], m.New)
	rest := putPrice(room[16:], wide, m.Price)
	putQty(rest, wide, m.Qty)
	return b
}

// Decode reads m from one whole message: ErrKind or ErrMessage.
func (m *OrderReplace) Decode(msg []byte) error {
	flags, body, err := open(msg, KindOrderReplace, &m.Head, 24, 32)
	if err != nil {
		return err
	}
	m.Order, m.New = le.Uint64(body), le.Uint64(body[8:])
	wide := flags&FlagWide != 0
	m.Price, body = price(body[16:], wide)
	m.Qty, _ = qty(body, wide)
	return nil
}
