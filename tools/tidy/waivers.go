package main

import (
	"go/token"
	"strings"
)

const allowMark = "//tidy:allow"

// A waiver is one `//tidy:allow reason` comment.
type waiver struct {
	pos    token.Position
	reason string
	used   bool
}

type waivers []*waiver

// waivers returns those of non-test, non-generated files.
func (m *module) waivers() waivers {
	var out waivers
	for _, f := range m.code() {
		for _, group := range f.syntax.Comments {
			for _, c := range group.List {
				reason, ok := strings.CutPrefix(c.Text, allowMark)
				if ok {
					out = append(out, &waiver{pos: m.fset.Position(c.Pos()), reason: strings.TrimSpace(reason)})
				}
			}
		}
	}
	return out
}

// cover reports whether a waiver with a reason stands on the line of pos.
func (ws waivers) cover(pos token.Position) bool {
	for _, w := range ws {
		if w.pos.Filename == pos.Filename && w.pos.Line == pos.Line && w.reason != "" {
			w.used = true
			return true
		}
	}
	return false
}

func (ws waivers) complaints() []finding {
	var out []finding
	for _, w := range ws {
		switch {
		case w.reason == "":
			out = append(out, finding{w.pos, "allow", "give the reason: " + allowMark + " REASON"})
		case !w.used:
			out = append(out, finding{w.pos, "allow", "nothing on this line needs it: remove it"})
		}
	}
	return out
}
