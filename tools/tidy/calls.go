package main

import (
	"go/ast"
	"iter"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	// readsClock lists what reads the clock or waits for it.
	readsClock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

	// seeded lists the names of math/rand (both versions) that go with an
	// explicit source; its other names share the hidden one.
	seeded = []string{"New", "NewSource", "NewPCG", "NewChaCha8", "NewZipf", "Rand", "Source", "Source64", "PCG", "ChaCha8", "Zipf"}

	mayPanic = regexp.MustCompile(`^(init|[mM]ust([A-Z].*)?)$`)
)

// refs yields the names that f takes from an import, called or not: a
// function kept as a value is as good as called.
func refs(f *file, from string) iter.Seq[*ast.SelectorExpr] {
	return func(yield func(*ast.SelectorExpr) bool) {
		local := localName(f, from)
		for sel := range nodes[*ast.SelectorExpr](f.syntax) {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == local && !yield(sel) {
				return
			}
		}
	}
}

// localName is what f calls the import, empty if it does not import it.
func localName(f *file, from string) string {
	for _, s := range f.syntax.Imports {
		switch {
		case importPath(s) != from:
		case s.Name != nil:
			return s.Name.Name
		default:
			return path.Base(strings.TrimSuffix(from, "/v2"))
		}
	}
	return ""
}

func clock(m *module) []finding {
	var out []finding
	for _, f := range m.code() {
		if apex(f.dir()) || under(f.dir(), "sequencer/clock") {
			continue
		}
		for sel := range refs(f, "time") {
			if slices.Contains(readsClock, sel.Sel.Name) {
				out = append(out, m.at(sel.Pos(), "time.%s here: take the time as an argument", sel.Sel.Name))
			}
		}
	}
	return out
}

func random(m *module) []finding {
	var out []finding
	for _, f := range m.code() {
		if apex(f.dir()) {
			continue
		}
		for _, from := range []string{"math/rand", "math/rand/v2", "crypto/rand"} {
			for sel := range refs(f, from) {
				if from == "crypto/rand" || !slices.Contains(seeded, sel.Sel.Name) {
					out = append(out, m.at(sel.Pos(), "%s.%s has a source of its own: take a seeded one as an argument", from, sel.Sel.Name))
				}
			}
		}
	}
	return out
}

func goroutines(m *module) []finding {
	var out []finding
	for _, f := range m.code() {
		if !core(f.dir()) {
			continue
		}
		for stmt := range nodes[*ast.GoStmt](f.syntax) {
			out = append(out, m.at(stmt.Pos(), "a goroutine in the core: loops live in cmd and multicast"))
		}
	}
	return out
}

func panics(m *module) []finding {
	var out []finding
	for _, f := range m.code() {
		if under(f.dir(), "tools") {
			continue
		}
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && mayPanic.MatchString(fn.Name.Name) {
				continue
			}
			for call := range nodes[*ast.CallExpr](d) {
				if calls(call, "panic") {
					out = append(out, m.at(call.Pos(), "return an error, or say why it cannot happen: %s REASON", allowMark))
				}
			}
		}
	}
	return out
}

// calls reports whether the call is of one of the named builtins.
func calls(c *ast.CallExpr, names ...string) bool {
	id, ok := c.Fun.(*ast.Ident)
	return ok && slices.Contains(names, id.Name)
}

func testSleep(m *module) []finding {
	var out []finding
	for _, f := range m.files {
		if !f.isTest() {
			continue
		}
		for sel := range refs(f, "time") {
			if sel.Sel.Name == "Sleep" {
				out = append(out, m.at(sel.Pos(), "a test sleeps: advance a virtual time, or wait for the event"))
			}
		}
	}
	return out
}
