package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tapecast/tapecast/cmd/tapecast/internal/settings"
)

const runMain = testVariable + "MAIN"

// TestMain makes the test binary the program itself when a test asks for it: exit
// codes, signals and pipes are those of a process.
func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// tapecast makes a process of the program.
func tapecast(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Env = append(childEnv(os.Environ()), runMain+"=1")
	return cmd
}

// outcome is what a process left behind.
type outcome struct {
	code     int
	out, err string
}

func runCmd(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var out, diag bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diag
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), out.String(), diag.String()}
}

// last decodes the last line of stdout.
func (o outcome) last(t *testing.T, v any) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(o.out), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), v); err != nil {
		t.Fatalf("the last line of stdout is no object: %v\n%s\n%s", err, o.out, o.err)
	}
}

func TestCommandLine(t *testing.T) {
	toml := filepath.Join(t.TempDir(), "t.toml")
	if err := os.WriteFile(toml, []byte("[serve]\nsource = \"synth:1\"\nintreface = \"lo\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		want string // in stderr; of stdout when the code is 0
	}{
		{"", 0, "Available Commands"},
		{"version", 0, "wire 1"},
		{"serve --help", 0, "--line-a GROUP:PORT"},
		{"completion bash", 0, "bash completion"},
		{"completion zsh", 0, "compdef"},
		{"completion fish", 0, "complete -c tapecast"},
		{"completion powershell", 0, "Register-ArgumentCompleter"},
		{"completion elvish", 2, "unknown command elvish"},
		{"sevre", 2, "unknown command sevre; did you mean serve?; see `tapecast --help`"},
		{"serve --sorce x", 2, "unknown flag --sorce; did you mean --source?; see `tapecast serve --help`"},
		{"serve --pace quick", 2, `--pace="quick": pace "quick": want max, a speed such as`},
		{"serve --linger 5", 2, `--linger="5": want a time such as 50ms, 5s or 2m`},
		{"serve --line-a 10.0.0.1:30001", 2, `want a multicast group and a port, such as 239.255.42.1:30001`},
		{"serve --ttl", 2, "flag needs an argument: --ttl"},
		{"serve now", 2, `tapecast serve takes flags only, not "now"`},
		{"serve", 2, `--source "": missing; give itch:FILE, synth:SEED or unix:PATH`},
		{"serve --source synth:1", 2, `--interface "": missing`},
		{"serve --source synth:1 --interface lo", 2, `--journal "": missing`},
		{"serve -c " + toml, 2, toml + ":3: unknown key intreface in [serve]; did you mean interface?"},
		{"listen -c /nonexistent.toml", 2, "--config=/nonexistent.toml: no such file or directory"},
		{"listen", 2, "--retransmit: missing; give the ADDR:PORT"},
		{"listen --retransmit nowhere", 2, `--retransmit="nowhere": want a host and a port`},
		{"listen --retransmit 127.0.0.1:9 --serve :1", 2, "--serve=:1: needs a journal to serve from; add --journal DIR"},
		{"listen --retransmit 127.0.0.1:9 --from 0", 2, `--from="0": want start, now or a sequence`},
		{"listen --retransmit 127.0.0.1:9 --interface nosuch0", 2, "nosuch0"},
		{"listen --retransmit 127.0.0.1:9 --session toolonganame", 2, `--session="toolonganame": want 1 to 8 of`},
		{"cat", 2, "want one journal directory, not 0 arguments"},
		{"cat /nonexistent", 2, "/nonexistent: "},
		{"verify /nonexistent", 2, "/nonexistent: "},
		{"info /nonexistent", 2, "/nonexistent: "},
	} {
		o := runCmd(t, tapecast(t, strings.Fields(c.args)...))
		text := o.err
		if c.code == 0 {
			text = o.out
		}
		if o.code != c.code || !strings.Contains(text, c.want) {
			t.Errorf("tapecast %s: exit code %d, want %d and %q\nstdout: %s\nstderr: %s", c.args, o.code, c.code, c.want, o.out, o.err)
		}
	}
}

// The environment is read for every setting, and names itself when it is wrong.
func TestEnvironment(t *testing.T) {
	cmd := tapecast(t, "serve")
	cmd.Env = append(cmd.Env, "TAPECAST_SERVE_SOURCE=synth:1", "TAPECAST_SERVE_PACE=slowly")
	o := runCmd(t, cmd)
	if o.code != exitUsage || !strings.HasPrefix(o.err, `tapecast: TAPECAST_SERVE_PACE="slowly": `) {
		t.Errorf("exit code %d: %s", o.code, o.err)
	}
}

// Every setting has a usage, a flag and, in its section, a key of its own.
func TestSettings(t *testing.T) {
	a := &app{}
	for _, c := range append(a.commands(), a.clockCommands()...) {
		seen := map[string]bool{"config": true, "help": true}
		var all []settings.Setting
		for _, s := range c.sections() {
			all = append(all, s.Settings...)
		}
		for _, s := range all {
			if s.Usage == "" || seen[s.Long()] || s.Name != strings.ToLower(s.Name) {
				t.Errorf("%s: setting %q has no usage, is there twice or is badly named", c.name(), s.Name)
			}
			seen[s.Long()] = true
			if err := s.Value.Check(s.Value.String()); s.Value.String() != "" && err != nil {
				t.Errorf("%s: the default of --%s, %q, is refused: %v", c.name(), s.Name, s.Value.String(), err)
			}
		}
	}
}
