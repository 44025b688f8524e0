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
	wide, w := width(narrowPrice(m.Price) && narrowQty(m.Qty))
	flags, size := wide|sideFlag(m.Side), 8+2*w
	if m.Participant != [4]byte{} {
		flags, size = flags|FlagA, size+4
	}
	b, room := appendHead(b, KindOrderAdd, flags, m.Head, size)
	le.PutUint64(room, m.Order)
	n := numbers{room[8:], wide != 0}
	n.putPrice(m.Price)
	n.putQty(m.Qty)
	if flags&FlagA != 0 {
		copy(n.b, m.Participant[:])
	}
	return b
}

// Decode reads m from one whole message: ErrKind or ErrMessage.
func (m *OrderAdd) Decode(msg []byte) error {
	flags, body, err := open(msg, KindOrderAdd, &m.Head, 16, 24)
	if err != nil {
		return err
	}
	m.Order, m.Side = le.Uint64(body), sideOf(flags)
	n := numbers{body[8:], flags&FlagWide != 0}
	m.Price, m.Qty, m.Participant = n.price(), n.qty(), [4]byte{}
	if flags&FlagA != 0 && copy(m.Participant[:], n.b) < 4 {
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
	flags, w := width(narrowQty(m.Qty))
	if m.Reduced {
		flags |= FlagA
	}
	b, room := appendHead(b, KindOrderModify, flags, m.Head, 8+w)
	le.PutUint64(room, m.Order)
	n := numbers{room[8:], flags&FlagWide != 0}
	n.putQty(m.Qty)
	return b
}

// Decode reads m from one whole message: ErrKind or ErrMessage.
func (m *OrderModify) Decode(msg []byte) error {
	flags, body, err := open(msg, KindOrderModify, &m.Head, 12, 16)
	if err != nil {
		return err
	}
	n := numbers{body[8:], flags&FlagWide != 0}
	m.Order, m.Qty, m.Reduced = le.Uint64(body), n.qty(), flags&FlagA != 0
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
	wide, w := width(narrowQty(m.Qty) && (!m.Priced || narrowPrice(m.Price)))
	flags, size := wide, 16+w
	if m.Priced {
		flags, size = flags|FlagA, size+w
	}
	if m.NonPrintable {
		flags |= FlagB
	}
	b, room := appendHead(b, KindOrderExecute, flags, m.Head, size)
	le.PutUint64(room, m.Order)
	le.PutUint64(room[8:], m.Match)
	n := numbers{room[16:], wide != 0}
	n.putQty(m.Qty)
	if m.Priced {
		n.putPrice(m.Price)
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
	n := numbers{body[16:], flags&FlagWide != 0}
	m.Qty, m.Price = n.qty(), 0
	m.Priced, m.NonPrintable = flags&FlagA != 0, flags&FlagB != 0
	if !m.Priced {
		return nil
	}
	if len(n.b) < 4 || n.wide && len(n.b) < 8 {
		return ErrMessage
	}
	m.Price = n.price()
	return nil
}

// OrderDelete takes an order out of the book.
type OrderDelete struct {
	Head
	Order uint64
}

// AppendTo appends the encoded message to b.
func (m *OrderDelete) AppendTo(b []byte) []byte {
	b, room := appendHead(b, KindOrderDelete, 0, m.Head, 8)
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
	wide, w := width(narrowPrice(m.Price) && narrowQty(m.Qty))
	b, room := appendHead(b, KindOrderReplace, wide, m.Head, 16+2*w)
	le.PutUint64(room, m.Order)
	le.PutUint64(room[8:], m.New)
	n := numbers{room[16:], wide != 0}
	n.putPrice(m.Price)
	n.putQty(m.Qty)
	return b
}

// Decode reads m from one whole message: ErrKind or ErrMessage.
func (m *OrderReplace) Decode(msg []byte) error {
	flags, body, err := open(msg, KindOrderReplace, &m.Head, 24, 32)
	if err != nil {
		return err
	}
	m.Order, m.New = le.Uint64(body), le.Uint64(body[8:])
	n := numbers{body[16:], flags&FlagWide != 0}
	m.Price, m.Qty = n.price(), n.qty()
	return nil
}
