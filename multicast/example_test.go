package multicast_test

import (
	"context"
	"fmt"
	"log"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/multicast"
	"github.com/tapecast/tapecast/recovery"
)

// deletes counts the orders that are deleted.
type deletes struct{ n int }

func (d *deletes) Packet(p recovery.Delivery) {
	var m wire.OrderDelete
	c := p.Cursor()
	for c.Next() {
		if c.Kind() == wire.KindOrderDelete && m.Decode(c.Message()) == nil {
			d.n++
		}
	}
}

func (d *deletes) Event(e recovery.Event) {
	switch e.Kind {
	case recovery.EventLost:
		fmt.Printf("lost %d to %d: %v\n", e.First, e.Last, e.Cause)
	case recovery.EventEnd:
		fmt.Printf("the session ended at %d\n", e.Last)
	}
}

// A retransmit service's address is all that a receiver needs to know.
func ExampleSubscribe() {
	service, stop, err := multicast.ServeExample() // a short session on loopback
	if err != nil {
		log.Fatal(err)
	}
	defer stop()

	var d deletes
	err = multicast.Subscribe(context.Background(), multicast.Config{
		Retransmit: []string{service},
		From:       recovery.FromStart,
	}, &d)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(d.n, "orders deleted")
	// Output:
	// the session ended at 5000
	// 5000 orders deleted
}
