package local_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/local"
	"github.com/tapecast/tapecast/feed/wire"
)

// printer is a sink that takes everything and journals at once.
type printer struct{ last uint64 }

func (p *printer) Register(string) (feed.InputID, uint64, error) { return 0, p.last, nil }

func (p *printer) Put(in feed.Input, msg []byte) error {
	var o wire.Opaque
	if err := o.Decode(msg); err != nil {
		return err
	}
	p.last = in.Seq
	fmt.Printf("message %d: %s\n", in.Seq, o.Data)
	return nil
}

// daemon stands for `tapecast serve --source unix:PATH`. It returns what stops it.
func daemon(src *local.Source, sink feed.Sink) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer src.Close()
		for now := wire.Nanos(0); ; now++ {
			select {
			case <-quit:
				return
			default:
				if _, err := src.Poll(now, sink, 100); err != nil {
					log.Fatal(err)
				}
			}
		}
	}()
	return func() { close(quit); <-done }
}

// A program puts its updates, starting after what the daemon has already, and
// waits until they are journalled.
func Example() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "input.sock")
	session, _ := wire.ParseSession("EXAMPLE")
	sink := &printer{}
	src, err := local.Listen(path, session, func(feed.InputID) uint64 { return sink.last })
	if err != nil {
		log.Fatal(err)
	}
	defer daemon(src, sink)()

	ctx := context.Background()
	client, err := local.Dial(ctx, path, "my-program")
	if err != nil {
		log.Fatal(err)
	}
	updates := []string{"one", "two", "three"}
	var buf []byte
	for _, u := range updates[client.Last():] {
		m := wire.Opaque{Format: wire.FormatApplication, Data: []byte(u)}
		buf = m.AppendTo(buf[:0])
		if _, err := client.Put(buf); err != nil {
			log.Fatal(err)
		}
	}
	if err := client.WaitAcknowledged(ctx, uint64(len(updates))); err != nil {
		log.Fatal(err)
	}
	fmt.Println("acknowledged", client.Acknowledged())
	if err := client.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// message 1: one
	// message 2: two
	// message 3: three
	// acknowledged 3
}
