package path

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tapecast/tapecast/bench/rig"
	"github.com/tapecast/tapecast/multicast"
)

// Heap says what else the subscriber's program keeps and uses.
type Heap struct {
	Listen
	Live    int64 `json:"live"`              // bytes that it keeps
	Outside bool  `json:"outside,omitempty"` // as bytes outside the heap, not as objects full of pointers
	Garbage int64 `json:"garbage"`           // bytes a second that it uses once
	Percent int   `json:"gogc"`              // as GOGC; -1 is off
	Limit   int64 `json:"gomemlimit"`        // as GOMEMLIMIT; 0 is none
}

// Heaped is what came of it.
type Heaped struct {
	Heard
	Collected int64 `json:"collected"` // collections from the first message to the last
	Paused    int64 `json:"paused_ns"` // how long these stopped everything, in all
}

// A node is one object of a state as programs have it: half of it are pointers.
type node struct {
	next, peer *node
	_, _       *node // as many more as the collector must look at
	fields     [4]int64
}

const (
	nodeSize    = 64 // bytes
	garbageSize = 1 << 10
	replaced    = 100 // nodes a ms
)

// program is what runs beside the receive loop.
type program struct {
	Heap
	nodes   []*node
	outside []byte
	random  uint64
	used    []byte // the garbage of last, so that it is made
}

func heap(ctx context.Context, part *rig.Part) (any, error) {
	p := &program{random: 1}
	if err := part.Args(&p.Heap); err != nil {
		return nil, err
	}
	debug.SetGCPercent(p.Percent)
	if p.Limit > 0 {
		debug.SetMemoryLimit(p.Limit)
	}
	if err := p.build(); err != nil {
		return nil, err
	}
	p.settle()
	l := &listener{Listen: p.Listen, part: part, h: rig.NewHistogram()}
	s, err := multicast.Open(l.subscriber(l.Channel), l)
	if err != nil {
		return nil, err
	}
	over := make(chan struct{})
	defer func() { <-over }()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer close(over)
		p.live(ctx)
	}()
	var before, after debug.GCStats
	debug.ReadGCStats(&before)
	if err := l.listen(ctx, s); err != nil {
		return nil, err
	}
	debug.ReadGCStats(&after)
	return Heaped{Heard: *l.result(s), Collected: after.NumGC - before.NumGC, Paused: int64(after.PauseTotal - before.PauseTotal)}, nil
}

// build makes what is to be kept.
func (p *program) build() (err error) {
	if p.Outside {
		p.outside, err = unix.Mmap(-1, 0, int(p.Live), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_POPULATE)
		return err
	}
	p.nodes = make([]*node, p.Live/(nodeSize+8))
	for i := range p.nodes {
		p.replace(i)
	}
	return nil
}

// next is any number below n.
func (p *program) next(n int) int {
	p.random = p.random*6364136223846793005 + 1442695040888963407
	return int((p.random >> 33) % uint64(n))
}

// replace puts a new node in place of one, linked to others.
func (p *program) replace(i int) {
	some := func() *node { return p.nodes[p.next(len(p.nodes))] }
	p.nodes[i] = &node{next: some(), peer: some(), fields: [4]int64{int64(i)}}
}

// settle runs one collection, and makes garbage until the next one is over: from then
// on the program has the size that it keeps.
func (p *program) settle() {
	runtime.GC()
	var s debug.GCStats
	debug.ReadGCStats(&s)
	for first := s.NumGC; p.Percent >= 0 && s.NumGC == first; debug.ReadGCStats(&s) {
		for range 1 << 10 {
			p.used = make([]byte, garbageSize)
		}
	}
}

// live changes what is kept and makes garbage, at its pace, until ctx ends.
func (p *program) live(ctx context.Context) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	began := rig.Nanotime()
	for made := int64(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p.change()
		for due := int64(float64(rig.Nanotime()-began) / 1e9 * float64(p.Garbage)); made < due; made += garbageSize {
			p.used = make([]byte, garbageSize)
			p.used[0] = 1
		}
	}
}

// change replaces some of what is kept.
func (p *program) change() {
	for range replaced {
		switch {
		case len(p.outside) > 0:
			clear(p.outside[p.next(len(p.outside)/nodeSize)*nodeSize:][:nodeSize])
		case len(p.nodes) > 0:
			p.replace(p.next(len(p.nodes)))
		}
	}
}
