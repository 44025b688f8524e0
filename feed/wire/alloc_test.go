package wire

import "testing"

// Nothing on the way of a packet allocates.
func TestAllocs(t *testing.T) {
	mem, buf := make([]byte, DefaultPacket), make([]byte, 0, DefaultPacket)
	order := &OrderAdd{Head: head, Order: 1, Price: 2, Qty: 3}
	msg := order.AppendTo(nil)
	p := packetVectors()[1].packet
	control := packetVectors()[3].packet
	status, h := Status{Durable: 1}, testHeader(TypeHeartbeat)
	var b Builder
	type hot struct {
		name string
		f    func()
	}
	table := []hot{
		{"Parse", func() { Parse(p) }},
		{"Peek", func() { Peek(p) }},
		{"Header", func() { _ = p.Header() }},
		{"ChainAfter", func() { ChainAfter(p) }},
		{"Cursor", func() {
			c := p.Cursor()
			for c.Next() {
				_, _, _ = c.Stamp(), c.Source(), c.Sequence()
			}
		}},
		{"Builder", func() {
			b.Open(mem)
			for i := Nanos(0); b.Add(msg, i/3); i++ {
			}
			b.Close(h, 99)
		}},
		{"CheckMessage", func() { CheckMessage(msg) }},
		{"Status.AppendControl", func() { status.AppendControl(buf[:0], h) }},
		{"Status.Decode", func() { status.Decode(control) }},
	}
	for _, v := range vectors() {
		encoded, decoded := v.msg.AppendTo(nil), fresh(v.msg)
		table = append(table,
			hot{v.name + ".AppendTo", func() { v.msg.AppendTo(buf[:0]) }},
			hot{v.name + ".Decode", func() { decoded.Decode(encoded) }})
	}
	for _, h := range table {
		if n := testing.AllocsPerRun(100, h.f); n != 0 {
			t.Errorf("%s: %v allocations", h.name, n)
		}
	}
}
