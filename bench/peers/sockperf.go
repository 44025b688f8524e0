package peers

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"

	"github.com/tapecast/tapecast/bench/rig"
)

// Sockperf is Mellanox's sockperf: UDP on loopback, non-blocking sockets.
type Sockperf struct{ binary string }

// FindSockperf finds it, or wraps ErrMissing.
func FindSockperf() (Sockperf, error) {
	b, err := exec.LookPath("sockperf")
	if err != nil {
		return Sockperf{}, missing("sockperf", "apt-get install sockperf")
	}
	return Sockperf{b}, nil
}

// Ping makes round trips for so many seconds.
func (s Sockperf) Ping(ctx context.Context, port, size int, seconds float64) (*rig.Latency, error) {
	out, err := s.run(ctx, port, true, "ping-pong", "-m", strconv.Itoa(size), "-t", whole(seconds), "--full-rtt")
	if err != nil {
		return nil, err
	}
	l, dropped, err := sockperfLatency(out)
	if err == nil && dropped > 0 {
		err = fmt.Errorf("sockperf dropped %d messages", dropped)
	}
	return l, err
}

// UnderLoad sends rate messages a second, of which one in a hundred is answered;
// the latencies are half of those round trips. Its client has two threads: the one that
// receives sleeps, or with the server there would be three that spin on two processors.
// What got no answer is no error here, and has no latency.
func (s Sockperf) UnderLoad(ctx context.Context, port, size int, rate, seconds float64) (*rig.Latency, error) {
	out, err := s.run(ctx, port, false, "under-load", "-m", strconv.Itoa(size), "-t", whole(seconds), "--mps", strconv.Itoa(int(rate)), "--reply-every", "100")
	if err != nil {
		return nil, err
	}
	l, _, err := sockperfLatency(out)
	if sent := sockperfRate(out); err == nil && sent < 0.95*rate {
		err = fmt.Errorf("sent %.0f messages a second instead of %.0f", sent, rate)
	}
	return l, err
}

// Send sends as fast as it can, and gives messages a second: it does not count how
// many arrive.
func (s Sockperf) Send(ctx context.Context, port, size int, seconds float64) (float64, error) {
	out, err := s.run(ctx, port, true, "throughput", "-m", strconv.Itoa(size), "-t", whole(seconds))
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`Message Rate is (\d+)`).FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("sockperf gave no message rate: %.200s", out)
	}
	return strconv.ParseFloat(string(m[1]), 64)
}

func whole(seconds float64) string { return strconv.Itoa(max(int(seconds), 1)) }

// run runs a server that spins and a client beside it, which spins or not, and gives the
// client's output.
func (s Sockperf) run(ctx context.Context, port int, spin bool, mode string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	at := []string{"-i", "127.0.0.1", "-p", strconv.Itoa(port)}
	server := exec.CommandContext(ctx, s.binary, append([]string{"server", "--nonblocked"}, at...)...)
	if err := server.Start(); err != nil {
		return nil, err
	}
	defer func() {
		cancel()
		_ = server.Wait() // it was killed
	}()
	args = append(append([]string{mode}, at...), append(args, "--pre-warmup-wait", "1")...)
	if spin {
		args = append(args, "--nonblocked")
	}
	out, err := exec.CommandContext(ctx, s.binary, args...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("sockperf %s: %w: %.200s", mode, err, bytes.TrimSpace(out))
	}
	return out, nil
}

var (
	sockperfPercentile = regexp.MustCompile(`percentile (\d+\.\d+) += +(\d+\.\d+)`)
	sockperfMost       = regexp.MustCompile(`<MAX> observation += +(\d+\.\d+)`)
	sockperfDropped    = regexp.MustCompile(`dropped messages = ([1-9]\d*)`)
	sockperfCount      = regexp.MustCompile(`\[Valid Duration\] RunTime=(\d+\.\d+) sec; SentMessages=(\d+); ReceivedMessages=(\d+)`)
)

// sockperfLatency reads the percentiles of a client's output, in µs, and how many
// messages got no answer.
func sockperfLatency(out []byte) (_ *rig.Latency, dropped int, err error) {
	l := &rig.Latency{}
	at := map[string]*int64{"50.000": &l.P50, "90.000": &l.P90, "99.000": &l.P99, "99.900": &l.P999, "99.990": &l.P9999}
	for _, m := range sockperfPercentile.FindAllSubmatch(out, -1) {
		us, err := strconv.ParseFloat(string(m[2]), 64)
		if err != nil {
			return nil, 0, err
		}
		share, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			return nil, 0, err
		}
		if p := at[string(m[1])]; p != nil {
			*p = int64(us * 1000)
		}
		l.Spectrum = append([][2]float64{{share / 100, us * 1000}}, l.Spectrum...)
	}
	if m := sockperfMost.FindSubmatch(out); m != nil {
		us, _ := strconv.ParseFloat(string(m[1]), 64) // digits
		l.Max = int64(us * 1000)
	}
	if m := sockperfDropped.FindSubmatch(out); m != nil {
		dropped, _ = strconv.Atoi(string(m[1])) // digits
	}
	m := sockperfCount.FindSubmatch(out)
	if m == nil || l.P50 == 0 {
		return nil, 0, fmt.Errorf("sockperf gave no percentiles: %.200s", out)
	}
	l.Count, _ = strconv.ParseInt(string(m[3]), 10, 64) // digits
	return l, dropped, nil
}

// sockperfRate is how many messages a second a client sent.
func sockperfRate(out []byte) float64 {
	m := sockperfCount.FindSubmatch(out)
	if m == nil {
		return 0
	}
	seconds, _ := strconv.ParseFloat(string(m[1]), 64) // digits
	sent, _ := strconv.ParseFloat(string(m[2]), 64)
	return sent / seconds
}
