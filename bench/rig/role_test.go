package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The test's own binary plays the children.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "role" {
		roles := Roles{"double": double, "fail": fail, "wait": wait}
		if err := roles.Play(context.Background(), os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func double(ctx context.Context, p *Part) (any, error) {
	var n int
	if err := p.Args(&n); err != nil {
		return nil, err
	}
	if err := p.Ready(n); err != nil {
		return nil, err
	}
	return 2 * n, p.Go(ctx)
}

func fail(context.Context, *Part) (any, error) { return nil, errors.New("no such luck") }

// wait ends when its input does, and not before.
func wait(ctx context.Context, p *Part) (any, error) {
	err := p.Ready(nil)
	<-ctx.Done()
	return "ended", err
}

func start(t *testing.T, role string, args any) *Process {
	t.Helper()
	self, err := Self("role")
	if err != nil {
		t.Fatal(err)
	}
	p, err := self.Start(t.Context(), role, args)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRoles(t *testing.T) {
	p := start(t, "double", 21)
	var ready, result int
	if err := p.Ready(&ready); err != nil || ready != 21 {
		t.Fatalf("ready: %d, %v", ready, err)
	}
	if err := p.Go(); err != nil {
		t.Fatal(err)
	}
	if err := p.Result(&result); err != nil || result != 42 {
		t.Errorf("result %d, %v", result, err)
	}
	if err := start(t, "fail", nil).Result(nil); err == nil || !strings.Contains(err.Error(), "no such luck") {
		t.Errorf("a child that failed: %v", err)
	}
	if err := start(t, "none", nil).Result(nil); err == nil || !strings.Contains(err.Error(), `no role "none"`) {
		t.Errorf("an unknown role: %v", err)
	}
	if err := start(t, "double", "x").Ready(nil); err == nil {
		t.Error("bad arguments were taken")
	}
}

// A child lives until its parent lets go of it.
func TestStopEndsAChild(t *testing.T) {
	p := start(t, "wait", nil)
	if err := p.Ready(nil); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

func TestProgram(t *testing.T) {
	p, err := StartProgram(exec.CommandContext(t.Context(), "printf", `ready\n\350\003\0\0\0\0\0\0`))
	if err != nil {
		t.Fatal(err)
	}
	if l, err := p.Latencies(); err != nil || l.Count != 1 || l.P50 != 1000 {
		t.Errorf("latencies %v, %v", l, err)
	}
	if _, err := StartProgram(exec.CommandContext(t.Context(), "echo", "no")); err == nil {
		t.Error("a program that was not ready was taken")
	}
}
