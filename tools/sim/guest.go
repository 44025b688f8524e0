package main

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

// Frames of the retransmit protocol, written apart from the production code: a guest
// says what its client never would.
const (
	frameLogin       = 0x01
	frameRange       = 0x02
	frameDefinitions = 0x03
	framePing        = 0x04
	frameRefusal     = 0x82
	frameData        = 0x83
	frameDataZstd    = 0x84
	frameUnavailable = 0x85
	frameDone        = 0x86
	frameHead        = 16
)

func frameOf(kind byte, id uint32, body []byte) []byte {
	b := append(make([]byte, frameHead), body...)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)))
	b[8] = kind
	binary.LittleEndian.PutUint32(b[12:], id)
	binary.LittleEndian.PutUint32(b, crc32.Checksum(b[4:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func rangeFrame(id uint32, first, last uint64) []byte {
	b := binary.LittleEndian.AppendUint64(nil, first)
	return frameOf(frameRange, id, binary.LittleEndian.AppendUint64(b, last))
}

// loginFrame is a login by somebody whose version, channel and session may be wrong.
func loginFrame(version byte, ch uint16, s wire.Session) []byte {
	body := make([]byte, 32)
	copy(body, "TCTR")
	body[4] = version
	binary.LittleEndian.PutUint16(body[8:], ch)
	binary.LittleEndian.PutUint64(body[16:], uint64(s))
	return frameOf(frameLogin, 0, body)
}

// mischief is what one connection of a guest is about.
type mischief struct {
	name string
	code retransmit.Code // the refusal that must come; 0 none
	says func(w *world, rnd *random) []byte
	deaf bool // never reads
	slow bool // reads little at a time
}

// mischiefs are all that guests do. What a guest says begins with its login.
func mischiefs() []mischief {
	login := func(w *world) []byte { return loginFrame(retransmit.Version, channel, w.session) }
	then := func(frames ...[]byte) func(w *world, rnd *random) []byte {
		return func(w *world, _ *random) []byte {
			b := login(w)
			for _, f := range frames {
				b = append(b, f...)
			}
			return b
		}
	}
	return []mischief{
		{name: "version", code: retransmit.CodeVersion, says: func(w *world, rnd *random) []byte {
			return loginFrame(byte(2+rnd.n(250)), channel, w.session)
		}},
		{name: "channel", code: retransmit.CodeBadChannel, says: func(w *world, _ *random) []byte {
			return loginFrame(retransmit.Version, channel+1, w.session)
		}},
		{name: "session", code: retransmit.CodeBadSession, says: func(w *world, _ *random) []byte {
			return loginFrame(retransmit.Version, channel, w.session^1)
		}},
		{name: "too large", code: retransmit.CodeTooLarge, says: func(w *world, _ *random) []byte {
			return append(login(w), rangeFrame(1, 1, w.o.Limits.Range+1)...)
		}},
		{name: "backwards", code: retransmit.CodeMalformed, says: then(rangeFrame(1, 5, 4))},
		{name: "from zero", code: retransmit.CodeMalformed, says: then(rangeFrame(1, 0, 4))},
		{name: "two follows", says: then(rangeFrame(1, 1, 0), rangeFrame(2, 1, 0))},
		{name: "silent", says: func(*world, *random) []byte { return nil }},
		{name: "silent later", says: then()},
		{name: "half a frame", says: func(w *world, rnd *random) []byte {
			f := rangeFrame(1, 1, 10)
			return append(login(w), f[:rnd.between(1, len(f)-1)]...)
		}},
		{name: "garbage", code: retransmit.CodeMalformed, says: func(_ *world, rnd *random) []byte {
			b := make([]byte, rnd.between(64, 2000))
			rnd.fill(b)
			return b
		}},
		{name: "checksum", code: retransmit.CodeMalformed, says: func(w *world, rnd *random) []byte {
			f := rangeFrame(1, 1, 10)
			f[frameHead+rnd.n(16)] ^= 1 << rnd.n(8)
			return append(login(w), f...)
		}},
		{name: "two logins", code: retransmit.CodeMalformed, says: func(w *world, _ *random) []byte {
			return append(login(w), login(w)...)
		}},
		{name: "no magic", code: retransmit.CodeMalformed, says: func(*world, *random) []byte {
			return frameOf(frameLogin, 0, make([]byte, 32))
		}},
		{name: "request 0", code: retransmit.CodeMalformed, says: then(rangeFrame(0, 1, 10))},
		{name: "flood", deaf: true, says: func(w *world, _ *random) []byte {
			b := login(w)
			for i := range 4*w.o.Limits.Outstanding + 200 {
				b = append(b, frameOf(frameDefinitions, uint32(i+1), nil)...)
			}
			return b
		}},
		{name: "deaf", deaf: true, says: then(rangeFrame(1, 1, 0))},
		{name: "slow", slow: true, says: func(w *world, _ *random) []byte {
			b := login(w)
			for i := range w.o.Limits.Outstanding {
				b = append(b, rangeFrame(uint32(i+1), 1, w.o.Limits.Range)...)
			}
			return b
		}},
	}
}

// guest is a host whose connections mean no good, one after the other, as long as
// there are faults.
type guest struct {
	w     *world
	rand  *random
	all   []mischief
	what  mischief
	conn  *tcpConn
	saw   []byte // what the server said
	said  int    // of it
	words []byte
	life  int
}

// Tags of a guest's events.
const (
	tagVisit = iota
	tagGo
	tagRead
)

func newGuest(w *world) *guest {
	return &guest{w: w, rand: newRandom(w.seed, 6), all: mischiefs()}
}

func (g *guest) name() string { return "guest" }
func (g *guest) tcpHost() int { return hostGuest }
func (g *guest) tcpBroken()   {}

func (g *guest) wake(tag, n int, _ []byte) {
	switch {
	case tag == tagVisit && !g.w.calm:
		g.visit()
	case tag == tagGo && n == g.life:
		g.leave()
	case tag == tagRead && n == g.life:
		g.tcpReady()
	}
}

// visit dials the service with something in mind.
func (g *guest) visit() {
	g.life++
	g.what = g.all[g.rand.n(len(g.all))]
	if only := g.w.o.Guest - 2; only >= 0 && only < len(g.all) {
		g.what = g.all[only]
	}
	g.words, g.said, g.saw = g.what.says(g.w, g.rand), 0, nil
	g.w.cover("guest: " + g.what.name)
	g.conn = g.w.dial(g, hostServer)
	g.w.k.after(g.rand.times(10*millisecond, 15*second), g, tagGo, g.life, nil)
}

// leave ends the visit; the next one begins soon.
func (g *guest) leave() {
	g.conn.close(atClient)
	g.conn = nil
	g.w.k.after(g.rand.times(millisecond, 500*millisecond), g, tagVisit, 0, nil)
}

// tcpReady says what is left to say and reads what the server says.
func (g *guest) tcpReady() {
	c := g.conn
	if c == nil || !c.open || c.dead[atClient] {
		return
	}
	if g.said < len(g.words) {
		n, _ := c.write(atClient, g.words[g.said:])
		g.said += n
	}
	most := 64 << 10
	switch {
	case g.what.deaf:
		return
	case g.what.slow:
		most = 2 << 10
	}
	b, _ := c.read(atClient, most)
	if len(g.saw) < 1<<20 {
		g.saw = append(g.saw, b...)
	}
	g.refusals()
	if len(b) > 0 {
		d := microsecond
		if g.what.slow {
			d = g.w.o.Limits.Stall / 64
		}
		g.w.k.after(d, g, tagRead, g.life, nil)
	}
}

// refusals looks whether the server refuses for the reason that there is.
func (g *guest) refusals() {
	if g.what.code == 0 || g.w.o.TCP.Corrupt > 0 {
		return
	}
	for b := g.saw; len(b) >= frameHead; {
		n := int(binary.LittleEndian.Uint32(b[4:]))
		if n < frameHead || n > retransmit.MaxFrame {
			g.w.fail("guest: a frame of %d bytes", n)
			return
		}
		if len(b) < n {
			return
		}
		if t := b[8]; t >= frameData && t <= frameDone {
			g.w.fail("guest: %s is answered", g.what.name)
			return
		}
		if b[8] == frameRefusal {
			if code := retransmit.Code(b[frameHead]); code != g.what.code && code != retransmit.CodeBusy && code != retransmit.CodeRate {
				g.w.fail("guest: %s is refused as %v", g.what.name, code)
			}
			g.w.cover("guest told: " + g.what.code.String())
			return
		}
		b = b[n:]
	}
}
