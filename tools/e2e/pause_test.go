package e2e

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

// pause stops the process for d, at whatever instruction it is.
func (p *proc) pause(d time.Duration) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		p.t.Fatal(err)
	}
	<-time.After(d)
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		p.t.Fatal(err)
	}
}

// TestPauses stops serve and both receivers again and again at random moments, for
// up to 150 ms, a receiver now and then for longer than its buffer lasts. Nothing is
// lost, doubled or orphaned.
func TestPauses(t *testing.T) {
	for _, durability := range []string{"fast", "strict"} {
		t.Run(durability, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, 4))
			c := onLoopback(t, t.TempDir())
			s := start(t, "serve", with(c.serve, "--source", "synth:21", "--pace", "100000/s", "--count", "500000", "--await", "2", "--end-at-eof", "--linger", "3s", "--durability", durability)...)
			s.ready(`"started"`)
			stopped := []*proc{
				s, start(t, "one", with(c.listen, "--receive-buffer", "64KiB")...),
				start(t, "two", with(c.listen, "--tcp")...),
			}
			for range 30 {
				p := stopped[r.IntN(len(stopped))]
				select {
				case <-p.done:
					t.Fatalf("%s ended while it was to be stopped\n%s", p.name, p.tail())
				default:
				}
				p.pause(time.Duration(r.Int64N(int64(150 * time.Millisecond))))
			}
			s.wait(0)
			for _, p := range stopped[1:] {
				p.wait(0)
				sum := complete(t, s.summary(), p)
				t.Logf("%s: %d gaps, %d repaired, %d dropped by the kernel", p.name, sum.Gaps, sum.Repaired, sum.KernelDrops)
				if sum.Delivered != sum.Last {
					t.Errorf("%s: delivered %d messages, the last is %d", p.name, sum.Delivered, sum.Last)
				}
			}
			if stopped[1].summary().KernelDrops == 0 {
				t.Error("no buffer overflowed")
			}
		})
	}
}
