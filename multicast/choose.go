package multicast

import (
	"fmt"

	"github.com/tapecast/tapecast/feed/wire"
	"golang.org/x/sys/unix"
)

// choose returns want if every line takes it, or, for MethodAuto, the fastest
// method that every line takes.
func (p *Publisher) choose(want Method, size int) (*choice, error) {
	switch {
	case int(want) >= len(methodNames):
		return nil, fmt.Errorf("multicast: %w: %v", ErrMethod, want)
	case want == MethodAuto:
		return p.fastest(size), nil
	}
	if err := p.probe(want, size); err != nil {
		return nil, fmt.Errorf("%w: send with auto instead of %v", err, want)
	}
	return &choice{want, "configured"}, nil
}

func (p *Publisher) fastest(size int) *choice {
	gso := p.probe(MethodGSO, size)
	if gso == nil {
		return &choice{MethodGSO, "UDP_SEGMENT works on every line"}
	}
	mmsg := p.probe(MethodMMsg, size)
	if mmsg == nil {
		return &choice{MethodMMsg, fmt.Sprintf("no UDP_SEGMENT: %v", gso)}
	}
	return &choice{MethodSingle, fmt.Sprintf("no UDP_SEGMENT: %v; no sendmmsg: %v", gso, mmsg)}
}

// msgProbe is the kernel's MSG_PROBE: go through the motions, send nothing.
const msgProbe = 0x10

// probe has the kernel check, and not send, two packets of size bytes by method m
// on every line.
func (p *Publisher) probe(m Method, size int) error {
	segments, most := m.limits()
	zeros := wire.Packet(p.vec.zeros[:min(size, maxRun/2)])
	p.vec.plan([]wire.Packet{zeros, zeros}, segments)
	for _, l := range p.lines {
		_, e := l.call(p.vec.msgs[:min(p.vec.n, most)], unix.MSG_DONTWAIT|msgProbe)
		if e != 0 {
			return l.fail(fmt.Errorf("send by %v: %w", m, e))
		}
	}
	return nil
}
