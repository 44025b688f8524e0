package main

import "github.com/tapecast/tapecast/feed/wire"

// faultKind is something bad that happens once, at a time that the seed decides.
type faultKind int

const (
	faultKill faultKind = iota
	faultPower
	faultStop
	faultPause
	faultPauseReceiver
	faultKillReceiver
	faultPart
	faultPartOneWay
	faultDarkLine
	faultClock
	faultFull
	faultSlow
	faultRot
	faultRotRelay
)

var faultNames = [...]string{
	"kill", "power cut", "stop", "pause sequencer", "pause receiver", "kill receiver",
	"partition", "one-way partition", "dark line", "clock step", "disk full", "slow disk",
	"bit rot while it runs", "bit rot at the relay",
}

// fault is one of them, and what it needs to be mended.
type fault struct {
	kind   faultKind
	host   int
	server int
	line   int
	length wire.Nanos
}

// planFaults schedules all faults of the safety phase.
func (w *world) planFaults() {
	f := &w.o.Faults
	for kind, n := range [...]int{
		f.Kill, f.Power, f.Stop, f.Pause / 2, (f.Pause + 1) / 2, f.ReceiverKill,
		f.Partition, f.OneWay, f.DeadLine, f.ClockStep, f.Full, f.SlowDisk,
		f.Rot, btoi(w.o.Relay) * f.Rot,
	} {
		for i := range n { // each by draws of its own: one that is left out moves no other
			w.plan(faultKind(kind), newRandom(w.seed, 1000+uint64(kind)<<8+uint64(i)))
		}
	}
}

func (w *world) plan(kind faultKind, rnd *random) {
	f := &w.o.Faults
	x := fault{kind: kind, host: rnd.n(w.o.Receivers), server: hostServer, line: rnd.n(2)}
	if w.o.Alias && rnd.n(2) == 0 {
		x.server = hostAlias
	}
	if w.o.Relay && rnd.n(3) == 0 {
		x.server = hostRelay
	}
	switch kind {
	case faultPause, faultPauseReceiver:
		x.length = rnd.span(0, f.Paused)
	case faultPart, faultPartOneWay, faultDarkLine:
		x.length = rnd.span(0, f.Parted)
	case faultFull, faultSlow:
		x.length = rnd.span(0, f.SlowFor)
	}
	w.faults = append(w.faults, x)
	w.k.at(rnd.span(0, w.o.Safety), w, tagFault, len(w.faults)-1, nil)
}

// strike makes a fault happen.
func (w *world) strike(x *fault) {
	w.cover("fault: " + faultNames[x.kind])
	w.tell("world", "%s: receiver %d, line %d, for %v", faultNames[x.kind], x.host, x.line, x.length.Duration())
	switch n := w.node; x.kind {
	case faultKill, faultPower:
		if n.up {
			n.crash(x.kind == faultPower)
		}
	case faultStop:
		n.stop = true
	case faultPause:
		n.paused = max(n.paused, w.k.now+x.length)
	case faultClock:
		w.stepClock()
	case faultSlow:
		n.slow = w.k.now + x.length
	case faultFull:
		n.disk.full = true
	case faultRot:
		n.disk.rot(true)
	case faultRotRelay:
		w.relay.disk.rot(true)
	case faultDarkLine:
		w.net.dark[x.line] = true
	default:
		w.strikeReceiver(x)
	}
	if x.length > 0 {
		for i := range w.faults {
			if &w.faults[i] == x {
				w.k.after(x.length, w, tagMend, i, nil)
			}
		}
	}
}

func (w *world) strikeReceiver(x *fault) {
	r := w.receivers[x.host]
	switch x.kind {
	case faultPauseReceiver:
		r.paused = max(r.paused, w.k.now+x.length)
	case faultKillReceiver:
		if r.up {
			r.crash(w.rand.n(2) == 0)
			w.k.after(w.rand.span(0, w.o.Faults.Downtime), r, tagBegin, 0, nil)
		}
	case faultPart, faultPartOneWay:
		w.net.part(x.server, r.tcpHost(), x.kind == faultPart || x.line == 0)
		w.net.part(r.tcpHost(), x.server, x.kind == faultPart || x.line == 1)
	}
}

// mend ends a fault that lasts.
func (w *world) mend(x *fault) {
	switch x.kind {
	case faultFull:
		w.node.disk.full = false
	case faultDarkLine:
		w.net.dark[x.line] = false
	case faultPart, faultPartOneWay:
		h := w.receivers[x.host].tcpHost()
		w.net.part(x.server, h, false)
		w.net.part(h, x.server, false)
	}
}

// stepClock moves the sequencer's clock; without a journal only forward, because
// then it alone makes epochs rise.
func (w *world) stepClock() {
	d := w.rand.times(microsecond, 3600*second)
	if w.rand.n(2) == 0 && w.node.journalled() {
		d = -d
	}
	w.node.stepped += d
}
