package multicast

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/tapecast/tapecast/recovery"
)

// outcome is how a subscription ended.
type outcome struct {
	*Subscription
	*reader
	err chan error
}

// listen runs a subscription to r, until it ends or the test does.
func listen(t *testing.T, r *rig, c Config, h *reader) *outcome {
	t.Helper()
	if len(c.Retransmit) == 0 && len(c.Lines) == 0 {
		c.Retransmit = r.addrs()
	}
	s, err := Open(c, h)
	if err != nil {
		t.Fatal(err)
	}
	o := &outcome{Subscription: s, reader: h, err: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go func() { o.err <- s.Run(ctx) }()
	return o
}

// finish ends the session and waits for the subscription to see it.
func (o *outcome) finish(t *testing.T, r *rig) {
	t.Helper()
	for {
		if err := r.end(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-o.err:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
		}
	}
}

func TestSubscribeDeliversLive(t *testing.T) {
	for _, how := range []Wait{WaitBlock, WaitYield, WaitSpin} {
		t.Run(how.String(), func(t *testing.T) {
			r := startRig(t, loLine(t), loLine(t))
			h := newReader()
			h.notify = 1
			r.publish(1)
			o := listen(t, r, Config{Wait: how}, h)
			<-h.ready // joined: from here on it comes live
			for range 100 {
				r.publish(20)
			}
			o.finish(t, r)
			h.check(t, r.tape)
			s := o.Stats()
			if live := h.from[recovery.LineA] + h.from[recovery.LineB]; live == 0 || h.stamps < live {
				t.Errorf("deliveries by provenance %v, with receive stamps %d; want most live and stamped", h.from, h.stamps)
			}
			if s.Delivered != 2001*perPacket || s.Sockets[1].Datagrams == 0 || o.Position().Sequence != 2001*perPacket {
				t.Errorf("counters %+v, position %+v", s, o.Position())
			}
		})
	}
}

func TestSubscribeRepairsLoss(t *testing.T) {
	for _, compress := range []bool{false, true} {
		r := startRig(t, loLine(t), loLine(t))
		seed := rand.Uint64()
		rng := rand.New(rand.NewPCG(seed, 0))
		h := newReader()
		h.notify = 1
		r.publish(1)
		o := listen(t, r, Config{
			Compress: compress,
			Drop:     func(int, []byte) bool { return rng.IntN(3) == 0 },
		}, h)
		<-h.ready
		for range 200 {
			r.publish(20)
		}
		o.finish(t, r)
		h.check(t, r.tape)
		if s := o.Stats(); s.Discarded == 0 || s.Repaired == 0 || h.from[recovery.Repair] == 0 {
			t.Errorf("seed %d: nothing was repaired: %+v", seed, s)
		}
	}
}

func TestSubscribeWithOneLineDead(t *testing.T) {
	r := startRig(t, loLine(t), loLine(t))
	h := newReader()
	h.notify = 1
	r.publish(1)
	o := listen(t, r, Config{Drop: func(line int, _ []byte) bool { return line == 0 }}, h)
	<-h.ready
	r.publish(500)
	o.finish(t, r)
	h.check(t, r.tape)
	if h.from[recovery.LineA] != 0 {
		t.Errorf("deliveries by provenance %v, yet line A is dead", h.from)
	}
}

func TestSubscribeOverTCP(t *testing.T) {
	r := startRig(t, loLine(t))
	r.publish(100)
	h := newReader()
	h.notify = 100 * perPacket
	o := listen(t, r, Config{TCP: true}, h)
	<-h.ready
	r.publish(100)
	o.finish(t, r)
	h.check(t, r.tape)
	if s := o.Stats(); s.Sockets[0].Buffer != 0 || h.from[recovery.Follow] == 0 {
		t.Errorf("joined a group, or did not follow: %+v, %v", s, h.from)
	}
}

// Without a retransmit service the lines are all there is.
func TestSubscribeToLinesAlone(t *testing.T) {
	line := loLine(t)
	r := startRig(t, line)
	h := newReader()
	joined := make(chan struct{})
	h.notify = 1
	o := listen(t, r, Config{Lines: []Line{line}, Drop: func(int, []byte) bool {
		select {
		case <-joined:
		default:
			close(joined)
		}
		return false
	}}, h)
	for waiting := true; waiting; {
		r.heartbeat()
		select {
		case <-joined:
			waiting = false
		default:
		}
	}
	r.publish(100)
	<-h.ready
	o.finish(t, r)
	h.check(t, r.tape)
}

// One service is down from the start, and one dies on the way.
func TestSubscribeMovesToTheNextServer(t *testing.T) {
	r := startRig(t, loLine(t))
	down := r.services[0]
	down.close()
	dying, err := r.serve()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.serve(); err != nil {
		t.Fatal(err)
	}
	h := newReader()
	h.notify = 1
	r.publish(50)
	odd := false
	o := listen(t, r, Config{Drop: func(int, []byte) bool { odd = !odd; return odd }}, h)
	<-h.ready
	dying.close()
	r.publish(500)
	o.finish(t, r)
	h.check(t, r.tape)
	if s := o.Stats(); s.Dials < 3 || s.Logins < 2 {
		t.Errorf("%d dials, %d logins", s.Dials, s.Logins)
	}
}

func TestSubscribeEndsWithItsContext(t *testing.T) {
	cause := errors.New("enough")
	for _, how := range []Wait{WaitBlock, WaitYield, WaitSpin} {
		r := startRig(t, loLine(t))
		h := newReader()
		h.notify = 1
		r.publish(1)
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() { <-h.ready; cancel(cause) }()
		err := Subscribe(ctx, Config{Retransmit: r.addrs(), Wait: how}, h)
		if err != cause {
			t.Errorf("%v: error %v, want the context's cause", how, err)
		}
	}
}

func TestSubscribeRunsOnce(t *testing.T) {
	s, err := Open(Config{Retransmit: []string{"127.0.0.1:1"}}, newReader())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("first run: error %v", err)
	}
	if err := s.Run(ctx); err != errRan {
		t.Errorf("second run: error %v", err)
	}
}

func TestSubscribeAnnouncedLineThatCannotBeJoined(t *testing.T) {
	line := loLine(t)
	r := startRig(t, line)
	hog, err := NewReceiver(ReceiverConfig{Line: line})
	if err != nil {
		t.Fatal(err)
	}
	defer hog.Close()
	s := socket{fd: hog.fd}
	s.set("address reuse", 1, 2, 0) // SOL_SOCKET, SO_REUSEADDR: keep the port for itself
	err = Subscribe(t.Context(), Config{Retransmit: r.addrs()}, newReader())
	if err == nil || !strings.Contains(err.Error(), "line A: bind") {
		t.Errorf("error %v; want that line A cannot be bound", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	group := netip.MustParseAddrPort("239.1.1.1:5001")
	server := []string{"127.0.0.1:1"}
	cases := []struct {
		name string
		cfg  Config
		want error
		says string
	}{
		{"nothing", Config{}, ErrLines, "retransmit"},
		{"interface", Config{Retransmit: server, Interface: "nope0"}, ErrInterface, "there are lo"},
		{"line", Config{Lines: []Line{{Group: group, Interface: "nope0"}}}, ErrInterface, "line A"},
		{"line without interface", Config{Lines: []Line{{Group: group}}}, ErrInterface, "line A"},
		{"group", Config{Lines: []Line{{Group: netip.MustParseAddrPort("1.2.3.4:5")}}, Interface: "lo"}, ErrGroup, "1.2.3.4:5"},
		{"wait", Config{Retransmit: server, Wait: 7}, ErrWait, "7"},
		{"server", Config{Retransmit: []string{"no-port"}}, nil, "host:port"},
		{"tcp alone", Config{Lines: []Line{{Group: group}}, Interface: "lo", TCP: true}, recovery.ErrConfig, "TCP"},
	}
	for _, c := range cases {
		_, err := Open(c.cfg, newReader())
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: error %v; want %v, saying %q", c.name, err, c.want, c.says)
		}
	}
}

// What Run does, a loop of the program's own can do in turns.
func TestSubscriptionByHand(t *testing.T) {
	for _, how := range []Wait{WaitBlock, WaitSpin} {
		r := startRig(t, loLine(t), loLine(t))
		h := newReader()
		r.publish(100)
		s, err := Open(Config{Wait: how, Retransmit: r.addrs()}, h)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		for done := false; !done; s.Wait(1e6) {
			if done, err = s.Turn(); err != nil {
				t.Fatal(err)
			}
			if err := r.end(); err != nil {
				t.Fatal(err)
			}
		}
		s.Close()
		h.check(t, r.tape)
		if err := s.Run(t.Context()); !errors.Is(err, errRan) {
			t.Errorf("Run after Start: %v", err)
		}
	}
}
