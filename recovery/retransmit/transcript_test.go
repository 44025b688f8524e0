package retransmit

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

var update = flag.Bool("update", false, "write the transcripts in testdata anew")

// TestTranscripts runs the commands (lines with ">") of each transcript and
// compares what the client and the server say with the lines below them. Each runs
// with whole pieces and with pieces split at random.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for seed := range uint64(20) {
				var r *rand.Rand
				if seed > 0 {
					r = rand.New(rand.NewPCG(seed, 0))
				}
				got := transcribe(t, want, r)
				if *update {
					if err := os.WriteFile(name, got, 0o644); err != nil {
						t.Fatal(err)
					}
					return
				}
				if !bytes.Equal(got, want) {
					t.Fatalf("seed %d: got\n%s\nwant\n%s", seed, got, want)
				}
			}
		})
	}
}

func transcribe(t *testing.T, script []byte, split *rand.Rand) []byte {
	var out bytes.Buffer
	r := newRig(t)
	r.rand = split
	for s := bufio.NewScanner(bytes.NewReader(script)); s.Scan(); {
		line := s.Text()
		if strings.HasPrefix(line, "#") || line == "" {
			fmt.Fprintln(&out, line)
			continue
		}
		command, ok := strings.CutPrefix(line, "> ")
		if !ok {
			continue
		}
		fmt.Fprintln(&out, line)
		r.log.Reset()
		r.command(strings.Fields(command))
		out.WriteString(r.log.String())
	}
	return out.Bytes()
}

// command runs one line of a transcript.
func (r *rig) command(words []string) {
	r.t.Helper()
	arg := func(i int) uint64 {
		if i >= len(words) {
			return 0
		}
		n, err := strconv.ParseUint(words[i], 10, 64)
		if err != nil {
			r.t.Fatalf("%v: %v", words, err)
		}
		return n
	}
	var err error
	switch words[0] {
	case "add": // messages, per packet
		r.tape.add(int(arg(1)), int(arg(2)))
	case "define":
		r.tape.define(int(arg(1)))
	case "restart": // epoch, cut
		r.tape.restart(uint32(arg(1)), arg(2))
	case "end":
		r.tape.end()
	case "oldest":
		r.tape.Oldest = arg(1)
	case "visible":
		r.tape.visible = arg(1)
	case "fail":
		r.tape.fail = map[string]error{"busy": feed.ErrBusy, "gone": feed.ErrGone, "ahead": feed.ErrAhead,
			"disk": os.ErrInvalid, "nothing": nil}[words[1]]
	case "limit":
		r.limit(words[1], arg(2))
	case "login":
		r.login(loginOf(r.t, words[1:]))
	case "range": // id, first, last; sent as it is, unlike Client.Request
		if words[0] == "range" && r.client.start(uint32(arg(1))) == nil {
			r.client.out = appendRange(r.client.out, uint32(arg(1)), arg(2), arg(3))
		}
	case "request":
		err = r.client.Request(uint32(arg(1)), arg(2), arg(3))
	case "follow":
		err = r.client.Follow(uint32(arg(1)), arg(2))
	case "definitions":
		err = r.client.Definitions(uint32(arg(1)))
	case "run":
		r.run()
	case "wait":
		d, perr := time.ParseDuration(words[1])
		r.advance(wire.Nanos(d))
		err = perr
	default:
		r.t.Fatalf("unknown command %v", words)
	}
	if err != nil {
		r.logf("client: %v", err)
	}
	if r.srvErr != nil && words[0] != "wait" {
		r.logf("server: %v", r.srvErr)
	}
}

func (r *rig) limit(name string, n uint64) {
	l := &r.cfg.Limits
	switch name {
	case "range":
		l.Range = n
	case "outstanding":
		l.Outstanding = int(n)
	case "requests":
		l.Requests = uint32(n)
	case "total":
		l.TotalRequests = uint32(n)
	case "bytes":
		l.Bytes = n
	default:
		r.t.Fatalf("unknown limit %s", name)
	}
}

func loginOf(t testing.TB, words []string) ClientConfig {
	cfg := ClientConfig{Login: Login{Channel: testChannel}}
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		n, _ := strconv.Atoi(value)
		switch key {
		case "channel":
			cfg.Channel = uint16(n)
		case "session":
			s, err := wire.ParseSession(value)
			if err != nil {
				t.Fatal(err)
			}
			cfg.Session = s
		case "known":
			cfg.KnownEpoch = uint32(n)
		case "zstd":
			cfg.Compress = true
		default:
			t.Fatalf("unknown word %s", w)
		}
	}
	return cfg
}
