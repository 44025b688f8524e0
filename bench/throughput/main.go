// Command throughput measures the whole path between two processes on loopback: a
// synthetic session at full speed from serve to one listen, both lines and the
// journal on. It prints what both ends say of each run and their medians, and exits
// 1 when a run lost anything: such a run measures something else.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
)

// summary is what both commands print as their last line.
type summary struct {
	Messages  uint64            `json:"messages"`
	Chain     string            `json:"chain"`
	Delivered uint64            `json:"delivered"`
	Repaired  uint64            `json:"repaired"`
	Lost      []json.RawMessage `json:"lost"`
	Rate      float64           `json:"messages_per_second"`
	Allocs    float64           `json:"allocations_per_message"`
	Packets   uint64            `json:"packets"`
	Drops     uint64            `json:"kernel_drops"`
	Method    string            `json:"send_method"`
	Lines     []struct {
		Sends uint64 `json:"sends"`
	} `json:"lines"`
}

// run is one run, by both ends.
type run struct{ served, heard summary }

func main() {
	count := flag.Int("count", 10_000_000, "messages of a run")
	runs := flag.Int("runs", 3, "runs")
	serve := flag.String("serve", "", "more flags for serve, separated by spaces")
	listen := flag.String("listen", "", "more flags for listen, separated by spaces")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := measure(ctx, *count, *runs, strings.Fields(*serve), strings.Fields(*listen)); err != nil {
		fmt.Fprintln(os.Stderr, "throughput:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, count, runs int, serve, listen []string) error {
	dir, err := os.MkdirTemp("", "tapecast-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "tapecast")
	if out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, "github.com/tapecast/tapecast/cmd/tapecast").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, out)
	}
	fmt.Printf("%s %s/%s, %d CPUs, %d messages a run\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), count)
	var all []run
	for range runs {
		r, err := once(ctx, binary, filepath.Join(dir, "journal"), count, serve, listen)
		if err != nil {
			return err
		}
		all = append(all, r)
	}
	return report(all)
}

// once runs serve and listen side by side until the session has ended.
func once(ctx context.Context, binary, journal string, count int, serve, listen []string) (r run, err error) {
	defer os.RemoveAll(journal)
	port, err := freePort()
	if err != nil {
		return r, err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	s := command(ctx, binary, append([]string{"serve", "--json", "--source", "synth:1", "--pace", "max", "--count", fmt.Sprint(count), "--await", "1",
		"--end-at-eof", "--linger", "500ms", "--interface", "lo", "--retransmit", addr, "--journal", journal,
		"--line-a", fmt.Sprintf("239.255.78.1:%d", port), "--line-b", fmt.Sprintf("239.255.78.2:%d", port)}, serve...))
	l := command(ctx, binary, append([]string{"listen", "--json", "--interface", "lo", "--retransmit", addr, "--exit-at-end"}, listen...))
	if err := s.cmd.Start(); err != nil {
		return r, err
	}
	if err := l.cmd.Run(); err != nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
		return r, fmt.Errorf("listen: %w: %s", err, l.err.String())
	}
	if err := s.cmd.Wait(); err != nil {
		return r, fmt.Errorf("serve: %w: %s", err, s.err.String())
	}
	if err := s.summary(&r.served); err != nil {
		return r, err
	}
	return r, l.summary(&r.heard)
}

func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

// process is a command and what it wrote.
type process struct {
	cmd      *exec.Cmd
	out, err bytes.Buffer
}

func command(ctx context.Context, binary string, args []string) *process {
	p := &process{cmd: exec.CommandContext(ctx, binary, args...)}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	return p
}

func (p *process) summary(s *summary) error {
	lines := bytes.Split(bytes.TrimSpace(p.out.Bytes()), []byte("\n"))
	return json.Unmarshal(lines[len(lines)-1], s)
}

// report prints the runs and the median rate.
func report(all []run) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "run\tsent M/s\tdelivered M/s\trepaired %\tkernel drops\tmessages/packet\tsends/1000 messages\tallocs/message serve\tlisten\t")
	var rates []float64
	for i, r := range all {
		if r.served.Chain != r.heard.Chain || len(r.heard.Lost) > 0 {
			return fmt.Errorf("run %d: chain %s, serve has %s; lost %s: not a measurement", i+1, r.heard.Chain, r.served.Chain, r.heard.Lost)
		}
		rates = append(rates, r.heard.Rate)
		n := float64(r.served.Messages)
		var sends uint64
		for _, l := range r.served.Lines {
			sends += l.Sends
		}
		fmt.Fprintf(w, "%d\t%.2f\t%.2f\t%.3f\t%d\t%.1f\t%.3f\t%.6f\t%.6f\t\n", i+1, r.served.Rate/1e6, r.heard.Rate/1e6,
			100*float64(r.heard.Repaired)/n, r.heard.Drops, n/float64(r.served.Packets), 1000*float64(sends)/n, r.served.Allocs, r.heard.Allocs)
	}
	w.Flush()
	slices.Sort(rates)
	fmt.Printf("median %.2f million messages a second from first to last delivery (send method %s)\n", rates[len(rates)/2]/1e6, all[0].served.Method)
	return nil
}
