package path

import (
	"context"

	"github.com/tapecast/tapecast/bench/rig"
	"github.com/tapecast/tapecast/recovery"
)

// Ping says what round trips to make.
type Ping struct {
	Settings
	There  Channel `json:"there"`
	Back   Channel `json:"back"`
	Size   int     `json:"size"` // bytes of a message
	Count  int     `json:"count"`
	Warmup int     `json:"warmup"` // round trips before those
}

// Pinged is what came of it.
type Pinged struct {
	losses
	Latency *rig.Latency `json:"latency"`
	Method  string       `json:"send_method"`
	CPU     int64        `json:"cpu_ns"` // of the process, while it pinged
	Seconds float64      `json:"seconds"`
}

// pinger sends a message, waits for the answer, and sends the next.
type pinger struct {
	bridge
	h      rig.Histogram
	number uint64
	at     int64 // when message number was put
	began  int64
	cost   rig.Cost
	ended  int64
}

func ping(ctx context.Context, part *rig.Part) (any, error) {
	p := &pinger{h: rig.NewHistogram()}
	p.begin = func() {}
	if err := p.open(part, p, func() Channel { return p.Back }); err != nil {
		return nil, err
	}
	s, err := p.run(ctx, p.There)
	if err != nil {
		return nil, err
	}
	return Pinged{
		losses: p.losses, Latency: p.h.Latency(), Method: s.Method,
		CPU: p.cost.CPU, Seconds: float64(p.ended-p.began) / 1e9,
	}, nil
}

// Packet implements recovery.Handler: the other end's hello begins, and each
// answer begins the next round trip.
func (p *pinger) Packet(d recovery.Delivery) {
	c := d.Cursor()
	for c.Next() {
		number, _, ok := p.reader.message(c.Message())
		if ok && number == p.number && !p.done {
			p.next()
		}
	}
}

func (p *pinger) next() {
	t := rig.Nanotime()
	if int(p.number) > p.Warmup {
		p.h.Add(t - p.at)
	}
	switch int(p.number) {
	case p.Warmup + p.Count:
		p.done, p.ended, p.cost = true, t, rig.ProcessCost().Sub(p.cost)
		return
	case p.Warmup:
		p.began, p.cost = t, rig.ProcessCost()
		t = rig.Nanotime()
	}
	p.number++
	p.at = t
	p.send(p.number, t)
}

// Event implements recovery.Handler.
func (p *pinger) Event(e recovery.Event) { p.event(e) }

// ponger answers each message with one of its own.
type ponger struct{ bridge }

func pong(ctx context.Context, part *rig.Part) (any, error) {
	p := &ponger{}
	p.begin = func() { p.send(hello, 0) }
	if err := p.open(part, p, func() Channel { return p.There }); err != nil {
		return nil, err
	}
	_, err := p.run(ctx, p.Back)
	return p.losses, err
}

// Packet implements recovery.Handler.
func (p *ponger) Packet(d recovery.Delivery) {
	c := d.Cursor()
	for c.Next() {
		if number, at, ok := p.reader.message(c.Message()); ok {
			p.send(number, at)
		}
	}
}

// Event implements recovery.Handler.
func (p *ponger) Event(e recovery.Event) { p.event(e) }
