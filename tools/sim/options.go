package main

import "github.com/tapecast/tapecast/feed/wire"

// Options is everything that a seed expands to: the shape of a world, and how bad
// things get in it. Chances are per million. Times are ns.
type Options struct {
	Durability wire.JournalState // alive (fast), strict, or none
	Receivers  int
	TCPOnly    int  // of Receivers, those that follow over TCP
	Late       int  // of Receivers, those that start late, some from now
	Alias      bool // the retransmit service has a second address
	Alone      int  // of Receivers, the first ones: they know no retransmit service
	Stranger   bool // receivers also know a service of another session
	Relay      bool // the last receiver journals and serves
	OneLine    bool
	Guest      int // somebody else connects to the retransmit service, and means no good: 1 in any way, 2 and up in that one
	Inputs     int
	Messages   int // of each input
	Rate       int // messages a second of each input, on average
	Burst      int // messages that come at once, on average
	BodyMax    int // bytes of the largest message body
	End        bool

	Safety wire.Nanos // with faults; then without

	Packet     int
	Segment    int64
	Prewrite   int64 // bytes of segments written ahead
	History    int   // bytes
	Slab       int
	SyncEvery  wire.Nanos
	Heartbeat  wire.Nanos
	IngestIdle wire.Nanos // what the ingest loop sleeps at most
	DiskIdle   wire.Nanos // what the disk loop sleeps
	Poll       wire.Nanos // of a followed session

	Window      int
	Grace       wire.Nanos
	LineSkew    wire.Nanos
	Attempts    int
	Outstanding int
	AskTimeout  wire.Nanos
	Patience    wire.Nanos
	Compress    bool

	Limits LimitOptions
	Lines  [2]LineOptions
	TCP    TCPOptions
	Faults FaultOptions
	Disk   DiskOptions
}

// LimitOptions are the limits of the retransmit service that a seed makes tight.
type LimitOptions struct {
	Range       uint64
	Outstanding int
	Requests    uint32
	Bytes       uint64 // a second, 0 unlimited
	Connections int

	Login, Silence, Stall, Answer, Life wire.Nanos
}

// LineOptions say what a line does to datagrams, for each receiver apart.
type LineOptions struct {
	Loss      int // chance of a datagram
	Burst     int // datagrams lost at once, on average
	Duplicate int
	Reorder   int
	Delay     wire.Nanos // how much later an overtaken one comes, at most
	Corrupt   int
	Truncate  int
	Forge     int        // chance of a datagram that looks valid and is not
	Latency   wire.Nanos // of a datagram, and up to as much again
}

// TCPOptions say what the network does to connections.
type TCPOptions struct {
	Latency wire.Nanos
	Buffer  int // bytes that a direction holds
	Piece   int // bytes that arrive at once, at most
	Stall   int // chance that a piece stops the direction
	Stalled wire.Nanos
	Reset   int // chance that a piece resets the connection
	Corrupt int // chance that a piece is damaged behind the checksum's back
}

// FaultOptions are how many of each fault happen in the safety phase, and their size.
type FaultOptions struct {
	Kill, Power, Stop int // of the sequencer: SIGKILL, power cut, SIGTERM
	Pause             int // of any process
	Paused            wire.Nanos
	ReceiverKill      int // a receiver that resumes where it saved
	Partition, OneWay int
	Parted            wire.Nanos
	DeadLine          int // a line that goes dark for all
	ClockStep         int
	Drift             wire.Nanos // ppm, of every clock, at most
	Backward          int        // chance that the sequencer's clock goes back for a turn
	Downtime          wire.Nanos // between a crash and the restart
	Full, SlowDisk    int        // times that the disk is full, or slow
	Rot               int        // bits that flip on a disk in use
	SlowFor           wire.Nanos
}

// DiskOptions are what the disk does.
type DiskOptions struct {
	Fail  int  // chance that a call fails
	Short int  // chance that a write is cut short
	Crash int  // chance that a power cut happens inside a call
	Rot   int  // chance that a crash leaves a flipped bit behind
	Stale int  // chance that a power cut leaves old blocks where sectors were lost
	Tear  bool // unsynced writes may be torn and reordered at a crash
}

// draw makes the options of a seed. Every feature and every kind of fault is there
// or not by a coin, so that each is also met alone and with few others.
func draw(seed uint64) Options {
	r := newRandom(seed, 1)
	coin := func() bool { return r.n(2) == 0 }
	o := Options{
		Durability: wire.JournalAlive, Receivers: r.between(2, 4), OneLine: r.n(6) == 0,
		Alias: r.n(3) == 0, Stranger: r.n(4) == 0, Inputs: r.between(1, 4), Rate: r.log(500, 20000), Burst: r.log(1, 200),
		BodyMax: r.log(16, 600), End: r.n(4) != 0, Safety: r.times(300*millisecond, 8*second),

		Packet: 1400, Segment: int64(r.log(8<<10, 256<<10)), SyncEvery: r.times(1*millisecond, 100*millisecond),
		Heartbeat: r.times(10*millisecond, 200*millisecond), IngestIdle: r.times(100*microsecond, 4*millisecond),
		DiskIdle: r.times(100*microsecond, 8*millisecond), Poll: r.times(millisecond, 20*millisecond),

		Window: r.log(32<<10, 2<<20), Grace: r.times(20*microsecond, 5*millisecond),
		LineSkew: r.times(500*microsecond, 20*millisecond), Attempts: r.between(3, 8), Outstanding: r.log(1, 64),
		AskTimeout: r.times(200*millisecond, second), Patience: r.times(5*second, 30*second), Compress: r.n(4) == 0,
	}
	switch r.n(8) {
	case 0:
		o.Durability = wire.JournalNone
	case 1, 2, 3:
		o.Durability = wire.JournalStrict
	}
	o.Slab = r.log(4<<10, 64<<10)
	o.History = o.Slab * r.between(8, 24)
	o.Messages = max(int(wire.Nanos(o.Rate)*o.Safety/second), 200)
	o.Messages = min(o.Messages, r.log(1000, 8000)/o.Inputs)
	if coin() {
		o.TCPOnly = r.n(o.Receivers)
	}
	if coin() {
		o.Late = r.n(o.Receivers)
	}
	o.Guest, o.Relay = btoi(r.n(3) == 0), r.n(3) == 0
	if r.n(10) == 0 {
		o.Alone = r.between(1, o.Receivers-1)
	}
	o.drawLimits(r, coin)
	for i := range o.Lines {
		o.Lines[i] = drawLine(r, coin)
	}
	o.TCP = drawTCP(r, coin)
	o.drawFaults(r, coin)
	o.reconcile()
	return o
}

// reconcile keeps a seed from wanting what nobody promises: a connection too slow for
// one frame within the time that a receiver gives an answer, and forged heartbeats
// where what they speak of can be given up: nobody but a server can tell.
func (o *Options) reconcile() {
	const maxFrame = 256 << 10
	frame := min(maxFrame, int(o.Limits.Range)*(o.BodyMax+40), o.Messages*o.Inputs*(o.BodyMax+40))
	turns := wire.Nanos(2*frame/o.TCP.Buffer + 4)
	o.TCP.Latency = min(o.TCP.Latency, max(o.AskTimeout/(2*turns), 10*microsecond))
	if o.Receivers%2 == 0 {
		o.Prewrite = o.Segment * 3 / 2
	}
	if o.Alone > 0 { // who knows no server cannot know where an epoch ended that it missed
		o.Faults.Kill, o.Faults.Power, o.Faults.Stop, o.Faults.Full, o.Faults.Rot, o.Disk = 0, 0, 0, 0, 0, DiskOptions{}
		o.Lines[0].Forge, o.Lines[1].Forge = 0, 0
		o.TCPOnly = min(o.TCPOnly, o.Receivers-o.Alone)
	}
	if o.Relay { // one that stopped for good would be asked a thousand times
		o.Lines[0].Forge, o.Lines[1].Forge = 0, 0
	}
	if o.Lines[0].Forge+o.Lines[1].Forge > 0 {
		o.Attempts, o.Patience, o.Limits.Connections = 1000, 1000*second, 64
	}
}

func (o *Options) drawLimits(r *random, coin func() bool) {
	o.Limits = mild().Limits
	if coin() {
		o.Limits.Range = uint64(r.log(8, 4096))
	}
	if coin() {
		o.Limits.Outstanding = r.log(1, 32)
	}
	if r.n(4) == 0 {
		o.Limits.Requests = uint32(r.log(20, 1000))
	}
	if r.n(4) == 0 {
		o.Limits.Bytes = uint64(r.log(500_000, 10_000_000))
	}
	if coin() {
		o.Limits.Login, o.Limits.Silence = r.times(500*millisecond, 5*second), r.times(2500*millisecond, 5*second)
		o.Limits.Stall, o.Limits.Answer = r.times(second, 10*second), r.times(3*second, 120*second)
	}
	if r.n(8) == 0 {
		o.Limits.Connections = o.Receivers + o.Guest
	}
	if r.n(8) == 0 {
		o.Limits.Life = r.times(500*millisecond, 5*second)
	}
}

func drawLine(r *random, coin func() bool) (l LineOptions) {
	l.Latency, l.Burst = r.times(5*microsecond, 2*millisecond), 1
	if coin() {
		l.Loss = r.log(100, 500_000)
		if coin() {
			l.Burst = r.log(2, 300)
		}
	}
	if coin() {
		l.Duplicate = r.log(1000, 500_000)
	}
	if coin() {
		l.Reorder, l.Delay = r.log(1000, 300_000), r.times(10*microsecond, 20*millisecond)
	}
	if r.n(3) == 0 {
		l.Corrupt = r.log(100, 50_000)
	}
	if r.n(3) == 0 {
		l.Truncate = r.log(100, 50_000)
	}
	if r.n(4) == 0 {
		l.Forge = r.log(100, 20_000)
	}
	return l
}

func drawTCP(r *random, coin func() bool) TCPOptions {
	t := TCPOptions{Latency: r.times(20*microsecond, 50*millisecond), Buffer: r.log(2<<10, 256<<10), Piece: 64 << 10}
	if coin() {
		t.Piece = r.log(1, 2000)
		t.Piece = max(t.Piece, t.Buffer/64) // or one seed takes all day
	}
	if coin() {
		t.Stall, t.Stalled = r.log(100, 50_000), r.times(millisecond, 6*second)
	}
	if r.n(3) == 0 {
		t.Reset = r.log(100, 30_000)
	}
	if r.n(6) == 0 {
		t.Corrupt = r.log(100, 10_000)
	}
	return t
}

func (o *Options) drawFaults(r *random, coin func() bool) {
	some := func(most int) int {
		if coin() {
			return 0
		}
		return r.between(1, most)
	}
	o.Faults = FaultOptions{
		Kill: some(4), Power: some(3), Stop: some(2), Pause: some(4), Paused: r.times(millisecond, 3*second),
		ReceiverKill: some(4), Partition: some(3), OneWay: some(3),
		Parted: r.times(10*millisecond, 4*second), DeadLine: some(2), ClockStep: some(3), Backward: some(20_000),
		Drift: wire.Nanos(r.log(1, 300)), Downtime: r.times(millisecond, 2*second),
		Full: some(1), SlowDisk: some(2), SlowFor: r.times(10*millisecond, 2*second),
	}
	if r.n(3) == 0 {
		o.Faults.Rot = r.between(1, 3)
	}
	o.Disk.Tear = coin()
	if r.n(3) == 0 {
		o.Disk.Fail = r.log(50, 5000)
	}
	if r.n(4) == 0 {
		o.Disk.Short = r.log(50, 5000)
	}
	if r.n(3) == 0 {
		o.Disk.Crash = r.log(500, 20_000)
	}
	if coin() {
		o.Disk.Stale = 1_000_000
	}
	if r.n(3) == 0 {
		o.Disk.Rot = r.log(50_000, 1_000_000)
	}
}
