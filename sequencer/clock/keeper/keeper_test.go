package keeper

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/clock"
	"github.com/tapecast/tapecast/sequencer/clock/audit"
)

// TestKeeper: a clock by three servers is synchronised, goes into holdover when they
// fall silent, says so when that lasts too long, and comes back; a receiver of this
// host reads the same clock; and all of it follows from the trail.
func TestKeeper(t *testing.T) {
	t.Parallel()
	all, c := servers(t, 3, 1)
	c.Sources, c.Audit, c.Hold = []string{SourceNTP}, t.TempDir(), 2500*time.Millisecond
	r := run(t, c)
	r.until("synchronised: quorum")
	<-r.Ready()
	file := filepath.Join(c.Audit, FileName)
	checkReceiver(t, r, file)
	for _, s := range all {
		s.silent.Store(true)
	}
	if e := r.until("holdover: "); e.State != "holdover" || e.Bound <= 0 {
		t.Errorf("%+v", e)
	}
	if e := r.until("unsynchronised: "); e.State != "unsynchronised" {
		t.Errorf("%+v", e)
	}
	for _, s := range all {
		s.silent.Store(false)
	}
	r.until("synchronised: quorum")
	r.end()
	if err := <-r.over; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file of a clock that has ended: %v", err)
	}
	checkTrail(t, c.Audit)
	tamper(t, c.Audit, lies())
}

// checkReceiver reads the clock from outside of its process, as far as a test can.
func checkReceiver(t *testing.T, r *rig, file string) {
	t.Helper()
	rx, err := NewReceiver(file, NoChronyd)
	if err != nil {
		t.Fatal(err)
	}
	for promised, end := false, time.Now().Add(limit); !promised; rx.Poll() { // the event may be ahead of the file
		_, c, _ := rx.Stamp(wire.Nanos(time.Now().UnixNano()))
		promised = clock.Promises(c.State)
		if time.Now().After(end) {
			t.Fatalf("the file never promises: %+v", c)
		}
	}
	for range 100 {
		rx.Poll()
		before, _ := r.Clock().Read()
		host := time.Now().UnixNano()
		after, said := r.Clock().Read()
		utc, c, slack := rx.Stamp(wire.Nanos(host))
		if c.ID != said.ID || c.State != said.State || utc < before-slack-1 || utc > after+slack+1 {
			t.Fatalf("the clock reads %d to %d and %+v, the receiver %d within %d and %+v", before, after, said, utc, slack, c)
		}
		if l := clock.OneWay(before, said, utc, c, slack); !l.Known || l.Impossible {
			t.Fatalf("%+v", l)
		}
	}
	if _, c, _ := rx.Stamp(wire.Nanos(time.Now().UnixNano() + 2*longestView)); clock.Promises(c.State) {
		t.Errorf("an old view promises: %+v", c)
	}
	s, err := LoadStatus(filepath.Dir(file))
	if err != nil || !s.Promised() || len(s.Servers) != 3 || time.Since(s.Written) > time.Minute {
		t.Errorf("%+v, %v", s, err)
	}
}

func checkTrail(t *testing.T, dir string) {
	t.Helper()
	checked, err := audit.Check(dir, "")
	if err != nil || checked.Promised < 3 || checked.Samples < 12 || !checked.Summary.Ended || checked.Summary.Lost != 0 {
		t.Errorf("%+v, %v", checked, err)
	}
	report, err := audit.NewReport(dir, audit.Terms{Limit: 50 * time.Millisecond, Window: time.Hour, Coverage: 0.01})
	if err != nil || !report.Compliant || report.Total.Covered >= 1 || report.Samples["used"] < 12 {
		t.Errorf("%+v, %v", report, err)
	}
	t.Logf("%d anchors derived again, %.0f %% of the time covered", checked.Promised, 100*report.Total.Covered)
}

// A change is one of some records of a trail.
type change struct {
	name  string
	which func(r *audit.Record) bool
	do    func(r *audit.Record)
}

// gone takes a record out of a trail.
func gone(r *audit.Record) { r.Kind = "gone" }

// lies are changes of a trail by servers that would claim more than the exchanges allow.
func lies() []change {
	promise := func(r *audit.Record) bool {
		return r.Kind == audit.KindUpdate && clock.Promises(wire.ClockState(r.Update.State))
	}
	return []change{
		{"narrower ahead", promise, func(r *audit.Record) { r.Update.Ahead -= 100 }},
		{"narrower behind", promise, func(r *audit.Record) { r.Update.Behind -= 100 }},
		{"slower growth", promise, func(r *audit.Record) { r.Update.AheadGrowth -= 1e-6 }},
		{"another time", promise, func(r *audit.Record) { r.Update.Time += 1000 }},
		{"a promise from nothing", func(r *audit.Record) bool { return r.Kind == audit.KindUpdate && r.Update.Ahead > 1e17 }, func(r *audit.Record) { r.Update.State = 1 }},
		{"a narrower interval", func(r *audit.Record) bool { return promise(r) && r.Update.Known }, func(r *audit.Record) { r.Update.Low += 1000 }},
		{"a narrower slope", func(r *audit.Record) bool { return promise(r) && r.Update.Known }, func(r *audit.Record) { r.Update.PhiHigh -= 1e-6 }},
		{"a narrower row", func(r *audit.Record) bool {
			return r.Kind == audit.KindSecond && clock.Promises(wire.ClockState(r.Second.State))
		}, func(r *audit.Record) { r.Second.Bound /= 2 }},
		{"a better server", func(r *audit.Record) bool { return r.Kind == audit.KindSample && r.Sample.Used }, func(r *audit.Record) { r.Sample.Error /= 2 }},
		{"an unknown server", func(r *audit.Record) bool { return r.Kind == audit.KindSample && r.Sample.Used }, func(r *audit.Record) { r.Sample.Server = 3 }},
		{"a rate for ever", func(r *audit.Record) bool { return promise(r) && r.Update.Known }, func(r *audit.Record) { r.Update.Fixed = true }},
		{"the word of a source that was not read", func(r *audit.Record) bool { return promise(r) && r.Update.Known }, func(r *audit.Record) { r.Update.From = "x" }},
		{"no exchanges with two of three", func(r *audit.Record) bool { return r.Kind == audit.KindSample && r.Sample.Server > 0 }, gone},
	}
}

// tamper makes each change in a trail, with hashes that fit: it is found.
func tamper(t *testing.T, dir string, changes []change) {
	t.Helper()
	whole := records(t, dir)
	for _, c := range changes {
		to, changed := t.TempDir(), 0
		trail, err := audit.Open(to, *whole[0].Header, wire.Nanos(whole[0].UTC))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range whole[1:] {
			if c.which(&r) {
				r = copied(r)
				c.do(&r)
				changed++
			}
			if r.Kind != "gone" {
				trail.Put(r)
			}
		}
		if err := trail.Close(wire.Nanos(whole[0].UTC)); err != nil {
			t.Fatal(err)
		}
		if _, err := audit.Check(to, ""); changed == 0 || !errors.Is(err, audit.ErrUnsound) {
			t.Errorf("%s: %d records changed: %v", c.name, changed, err)
		}
	}
}

// copied is r with parts of its own.
func copied(r audit.Record) audit.Record {
	if r.Sample != nil {
		r.Sample = new(*r.Sample)
	}
	if r.Update != nil {
		r.Update = new(*r.Update)
	}
	if r.Second != nil {
		r.Second = new(*r.Second)
	}
	if x := r.Reading; x != nil {
		r.Reading = &audit.Reading{}
		data, err := json.Marshal(x)
		if err == nil {
			err = json.Unmarshal(data, r.Reading)
		}
		if err != nil {
			panic(err)
		}
	}
	return r
}

// TestStop: with on-loss stop the keeper ends when the promise is lost, and says why.
func TestStop(t *testing.T) {
	t.Parallel()
	all, c := servers(t, 1, 0)
	c.Sources, c.OnLoss, c.Hold = []string{SourceNTP}, LossStop, time.Second
	r := run(t, c)
	<-r.Ready()
	all[0].silent.Store(true)
	select {
	case err := <-r.over:
		if !errors.Is(err, ErrLost) {
			t.Error(err)
		}
	case <-time.After(limit):
		t.Fatal("still running", r.Status())
	}
}

// TestAuditor: servers beside a preferred source raise an alarm when more of them than
// may lie exclude the time told, and take it back.
func TestAuditor(t *testing.T) {
	t.Parallel()
	all, c := servers(t, 3, 1)
	c.Sources, c.Chronyd, c.Audit = []string{SourceHost}, newChronyd(t), t.TempDir()
	r := run(t, c)
	<-r.Ready()
	if s := r.Status(); s.Source != "chronyd, from 0.0.0.0" && s.Source != "chronyd, from " {
		t.Errorf("source %q", s.Source)
	}
	all[0].offset.Store(int64(300 * time.Millisecond)) // one may lie
	r.until(all[0].address() + " contradicts")
	if s := r.Status(); s.Alarm != "" {
		t.Errorf("one liar of one that may lie: alarm %q", s.Alarm)
	}
	all[1].offset.Store(int64(-300 * time.Millisecond))
	if e := r.until("exclude the time told"); e.Kind != "alarm" || e.State != "synchronised" {
		t.Errorf("%+v", e)
	}
	all[0].offset.Store(0)
	all[1].offset.Store(0)
	r.until("meet again")
	r.end()
	checked, err := audit.Check(c.Audit, "")
	if err != nil || checked.Foreign != checked.Promised || checked.Promised == 0 {
		t.Errorf("%+v, %v", checked, err)
	}
}

// TestNamed: a server that comes to be a liar is told of and recorded, and when it agrees
// again that is too.
func TestNamed(t *testing.T) {
	t.Parallel()
	all, c := servers(t, 3, 1)
	c.Sources, c.Audit = []string{SourceNTP}, t.TempDir()
	all[1].offset.Store(int64(300 * time.Millisecond))
	r := run(t, c)
	lies, agrees := all[1].address()+" lies", all[1].address()+" agrees"
	if e := r.until(lies); e.Kind != "alarm" {
		t.Errorf("%+v", e)
	}
	all[1].offset.Store(0)
	r.until(agrees)
	r.end()
	told := map[string]int{}
	for _, rec := range records(t, c.Audit) {
		for _, what := range []string{" lies", " agrees", lies, agrees} {
			if rec.Kind == audit.KindAlarm && strings.Contains(rec.Text, what) {
				told[what]++
			}
		}
	}
	if told[lies] != 1 || told[agrees] != 1 || told[" lies"] != 1 || told[" agrees"] != 1 {
		t.Errorf("the trail has %v", told)
	}
}

// TestLocal: the host's clock promises nothing, and has a trail that says so.
func TestLocal(t *testing.T) {
	c := Default()
	c.Sources, c.Audit = []string{SourceLocal}, t.TempDir()
	r := run(t, c)
	<-r.Begun()
	if _, s := r.Clock().Read(); s.State != wire.ClockUnsynchronised || s.Bound != wire.BoundUnknown {
		t.Errorf("%+v", s)
	}
	r.end()
	if _, err := audit.Check(c.Audit, ""); err != nil {
		t.Error(err)
	}
}

// TestHostReceiver: receive stamps are worth what chronyd states, less with age.
func TestHostReceiver(t *testing.T) {
	rx, err := NewReceiver("", newChronyd(t))
	if err != nil {
		t.Fatal(err)
	}
	now := wire.Nanos(time.Now().UnixNano())
	utc, c, slack := rx.Stamp(now)
	if utc != now || slack != 0 || c.State != wire.ClockSynchronised || c.Bound < 2000 || c.ID == 0 {
		t.Errorf("%d, %+v, %d", utc-now, c, slack)
	}
	if _, later, _ := rx.Stamp(now + 1e9); later.Bound < c.Bound+49_000 {
		t.Errorf("a second later %d, was %d", later.Bound, c.Bound)
	}
	if _, late, _ := rx.Stamp(now + 2*wire.Nanos(longestView)); clock.Promises(late.State) {
		t.Errorf("without news: %+v", late)
	}
	if n := testing.AllocsPerRun(1000, func() { rx.Stamp(now) }); n != 0 {
		t.Errorf("Stamp allocates %v times", n)
	}
	if _, err := NewReceiver(filepath.Join(t.TempDir(), "none"), NoChronyd); !errors.Is(err, ErrNoFile) {
		t.Error(err)
	}
	shown := Default()
	shown.Sources, shown.File = []string{SourceLocal}, filepath.Join(t.TempDir(), "clock.json")
	r := run(t, shown)
	<-r.Begun()
	shared, err := NewReceiver(shown.File, NoChronyd)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(1000, func() { shared.Stamp(now) }); n != 0 {
		t.Errorf("Stamp by a shared clock allocates %v times", n)
	}
	none, err := NewReceiver("", udp(t).LocalAddr().String()) // no answer
	if err != nil {
		t.Fatal(err)
	}
	if _, c, _ := none.Stamp(now); c.State == wire.ClockSynchronised && c.Bound < 1000 {
		t.Errorf("no chronyd, and %+v", c)
	}
}

// TestHostOff: a receiver reads a shared clock rightly on a host whose own clock is an
// hour off.
func TestHostOff(t *testing.T) {
	const off = int64(time.Hour)
	host := time.Now()
	mono := monotonic()
	a := &clock.Anchor{
		Segment: clock.Segment{Start: mono - 1e9, End: mono + int64(time.Minute), UTC: host.UnixNano() - off - 1e9},
		Ahead:   500, Behind: 400, Exit: 1e6, State: wire.ClockSynchronised, ID: 9,
	}
	s := Status{State: "synchronised", UTC: a.UTC, Host: off, TAI: 37, ID: 9, Written: host, Shared: share(a, span{-5, 5})}
	data, err := json.Marshal(&s)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "clock.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	rx, err := NewReceiver(file, NoChronyd)
	if err != nil {
		t.Fatal(err)
	}
	utc, c, slack := rx.Stamp(wire.Nanos(host.UnixNano()))
	if d := int64(utc) - a.UTC - 1e9; c.State != wire.ClockSynchronised || c.ID != 9 || c.TAI != 37 || d < -int64(slack)-1e6 || d > int64(slack)+1e6 {
		t.Errorf("%d ns off, within %d, %+v", d, slack, c)
	}
}

// TestTrouble: what cannot be written is told once, and stands in the status; that one
// writer can says nothing of another.
func TestTrouble(t *testing.T) {
	c := Default()
	c.Sources = []string{SourceLocal}
	r := run(t, c)
	<-r.Begun()
	full := errors.New("disk full")
	r.failed(r.unwritten, full)
	r.failed(r.unwritten, full)
	if e := r.until("the audit trail cannot be written"); e.Kind != "alarm" {
		t.Errorf("%+v", e)
	}
	r.failed(r.unshown, full)
	if e := r.until("disk full"); !strings.HasPrefix(e.Text, "the clock's file cannot be written") {
		t.Errorf("%+v", e)
	}
	r.failed(r.unwritten, nil)
	if s := r.troubles(); !strings.HasPrefix(s, "the clock's file") || strings.Contains(s, "trail") {
		t.Errorf("%q", s)
	}
	r.failed(r.unshown, nil)
	if s := r.troubles(); s != "" || len(r.events) != 0 {
		t.Errorf("%q, %d events more", s, len(r.events))
	}
}

// TestTrailHangs: a disk that does not answer is told of by the loop that does not wait
// for it, and so are records that are lost meanwhile, once.
func TestTrailHangs(t *testing.T) {
	c := Default()
	c.Sources, c.Audit = []string{SourceLocal}, t.TempDir()
	var told []string
	k, err := New(c, Options{OnEvent: func(e Event) { told = append(told, e.Kind+": "+e.Text) }})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	k.writing.Store(1)
	k.watchTrail(1 + slowest)
	if len(told) != 0 {
		t.Errorf("too early: %q", told)
	}
	for range 2 {
		k.watchTrail(2 + slowest)
	}
	if len(told) != 1 || !strings.Contains(told[0], "alarm: the audit trail cannot be written") || !strings.Contains(k.troubles(), errHangs.Error()) {
		t.Errorf("%q, %q", told, k.troubles())
	}
	for range audit.MaxPending + 5 {
		k.put(audit.Record{Kind: audit.KindState})
		if k.trail.Lost() > 0 {
			k.watchTrail(3 + slowest)
		}
	}
	k.tell(4 + slowest)
	if s := k.Status(); len(told) != 2 || !strings.Contains(told[1], "has lost") || s.Lost < 5 || !strings.Contains(s.Trouble, lostText(s.Lost)) {
		t.Errorf("%q, %d lost, %q", told, s.Lost, s.Trouble)
	}
	if k.writing.Store(0); k.trail.Step(k.now()) != nil {
		t.Error("the disk is there again")
	}
	if err := k.Hung(); !errors.Is(err, errHangs) || !strings.Contains(err.Error(), "clock's file") {
		t.Errorf("nothing waits for the trail's disk: %v", err)
	}
	k.put(audit.Record{Kind: audit.KindState})
	if err := k.Hung(); !errors.Is(err, errHangs) || !strings.Contains(err.Error(), ": 1 records may be lost") {
		t.Error(err)
	}
	k.watchTrail(5 + slowest)
	if k.tell(6 + slowest); strings.Contains(k.Status().Trouble, errHangs.Error()) || k.Status().Lost == 0 {
		t.Errorf("%+v", k.Status())
	}
}
