package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// options say how mutants are run.
type options struct {
	list  string
	seeds uint64
	limit time.Duration
}

// verdict is what became of a mutant.
type verdict struct {
	killed bool
	seed   uint64 // the first to kill it
	by     string
}

// run plants the mutants one after the other and prints a table. It returns the exit
// code.
func (o *options) run(all []mutant) int {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		return 2
	}
	defer os.RemoveAll(dir)
	fmt.Printf("%4s  %6s  %-60s %s\n", "no", "seeds", "mutant", "killed by")
	survived, start := 0, time.Now()
	for i := range all {
		v, err := o.plant(&all[i], dir)
		seeds := strconv.FormatUint(v.seed, 10)
		switch {
		case err != nil:
			survived++
			seeds, v.by = "-", fmt.Sprintf("CANNOT BE RUN: %v", err)
		case !v.killed:
			survived++
			seeds, v.by = "-", "SURVIVED"
		}
		fmt.Printf("%4d  %6s  %-60s %s\n", all[i].number, seeds, all[i].name, v.by)
	}
	fmt.Printf("%d mutants, %d survived, %v\n", len(all), survived, time.Since(start).Round(time.Second))
	if survived > 0 {
		return 1
	}
	return 0
}

// plant builds the simulator with one bug and runs it.
func (o *options) plant(m *mutant, dir string) (verdict, error) {
	sim, err := m.build(dir)
	if err != nil {
		return verdict{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, sim, "-shrink=false", "-violations=1", "-world", m.world, "-seeds", fmt.Sprintf("1-%d", o.within(m)))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return verdict{}, nil
	case ctx.Err() != nil:
		return verdict{}, fmt.Errorf("no verdict within %v", o.limit)
	case !errors.As(err, &exit):
		return verdict{}, err
	}
	return judge(out.String())
}

// alike is how many worlds like one in a file must kill what that is made to kill.
const alike = 100

// within is in how many seeds m must be killed.
func (o *options) within(m *mutant) uint64 {
	if m.world != "" {
		return min(o.seeds, alike)
	}
	return o.seeds
}

// build makes the mutated simulator and returns its path.
func (m *mutant) build(dir string) (string, error) {
	b, err := m.apply()
	if err != nil {
		return "", err
	}
	file, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	changed, overlay, sim := filepath.Join(dir, "mutated.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "sim")
	if err := os.WriteFile(changed, b, 0o644); err != nil {
		return "", err
	}
	b, err = json.Marshal(map[string]map[string]string{"Replace": {file: changed}})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(overlay, b, 0o644); err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-ldflags=-s -w", "-overlay", overlay, "-o", sim, "./tools/sim").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("does not build: %w\n%s", err, out)
	}
	return sim, nil
}

// judge reads the first violation in what the simulator said.
func judge(out string) (verdict, error) {
	violation := regexp.MustCompile(`(?m)^seed (\d+) violates (.*)$`)
	v := verdict{killed: true}
	for _, m := range violation.FindAllStringSubmatch(out, -1) {
		seed, err := strconv.ParseUint(m[1], 10, 64)
		if err != nil {
			return v, err
		}
		if v.seed == 0 || seed < v.seed {
			v.seed, v.by = seed, m[2]
		}
	}
	if v.seed == 0 {
		return v, fmt.Errorf("the simulator failed without a violation:\n%s", out[max(0, len(out)-2000):])
	}
	return v, nil
}
