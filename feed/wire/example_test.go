package wire_test

import (
	"fmt"

	"github.com/tapecast/tapecast/feed/wire"
)

// Two messages are packed, checked as a receiver does, and read.
func Example() {
	session, _ := wire.ParseSession("20200130")
	add := wire.OrderAdd{Head: wire.Head{Instrument: 13}, Order: 1, Price: 3_245_500, Qty: 100}
	del := wire.OrderDelete{Head: wire.Head{Instrument: 13}, Order: 1}

	var b wire.Builder
	b.Open(make([]byte, wire.DefaultPacket))
	b.Add(add.AppendTo(nil), 1000)
	b.Add(del.AppendTo(nil), 1250)
	packet, chain := b.Close(wire.Header{Type: wire.TypeSequenced, Session: session, Sequence: 7}, 1300)

	received, err := wire.Parse(packet)
	if err != nil {
		fmt.Println(err)
		return
	}
	c := received.Cursor()
	for c.Next() {
		fmt.Print(c.Sequence(), " at ", c.Stamp(), ": ", c.Kind())
		if c.Kind() == wire.KindOrderAdd {
			if err := add.Decode(c.Message()); err != nil {
				fmt.Println(err)
				return
			}
			fmt.Print(" of ", add.Qty, " at ", add.Price)
		}
		fmt.Println()
	}
	fmt.Println("equal chains:", chain == wire.ChainAfter(received))
	// Output:
	// 7 at 1000: order_add of 100 at 3245500
	// 8 at 1250: order_delete
	// equal chains: true
}
