package main

import (
	"go/ast"
	"go/token"
	"slices"
)

const (
	maxFuncLines  = 70
	maxFuncMedian = 10
	maxFileLines  = 400
)

// A span is one function from the line of its func to that of its last brace.
type span struct {
	name  string
	pos   token.Pos
	lines int
}

// funcs returns the declared functions and methods, and the literals outside
// them. A literal inside a function is part of its length.
func (m *module) funcs() []span {
	var out []span
	for _, f := range m.code() {
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				out = append(out, m.span(fn.Name.Name, fn))
				continue
			}
			for lit := range nodes[*ast.FuncLit](d) {
				out = append(out, m.span("func literal", lit))
			}
		}
	}
	return out
}

// span measures n, whose doc comment does not count.
func (m *module) span(name string, n ast.Node) span {
	start := n.Pos()
	if fn, ok := n.(*ast.FuncDecl); ok {
		start = fn.Type.Func
	}
	return span{name, start, m.fset.Position(n.End()).Line - m.fset.Position(start).Line + 1}
}

// median is 0 for no functions, and the upper middle of an even number.
func median(spans []span) int {
	if len(spans) == 0 {
		return 0
	}
	slices.SortFunc(spans, func(a, b span) int { return a.lines - b.lines })
	return spans[len(spans)/2].lines
}

func funcLength(m *module) []finding {
	var out []finding
	for _, s := range m.funcs() {
		if s.lines > maxFuncLines {
			out = append(out, m.at(s.pos, "%s has %d lines, at most %d", s.name, s.lines, maxFuncLines))
		}
	}
	return out
}

func funcMedian(m *module) []finding {
	if n := median(m.funcs()); n > maxFuncMedian {
		return []finding{whole("the median function has %d lines, at most %d", n, maxFuncMedian)}
	}
	return nil
}

func fileLength(m *module) []finding {
	var out []finding
	for _, f := range m.code() {
		if f.lines > maxFileLines {
			out = append(out, m.at(f.syntax.Package, "the file has %d lines, at most %d", f.lines, maxFileLines))
		}
	}
	return out
}
