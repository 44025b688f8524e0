package main

const documented = `// Package p does something.
package p

// T is a type.
type T struct{}

// M is a method.
func (t *T) M() {}

type hidden struct{}

func (hidden) M() {}
func (h *hidden) N() {}

// Kinds.
const (
	A = iota
	B
)

var (
	// V has a comment above.
	V = 1
	W = 2 // W has one behind.
	x = 3
)
`

var docCases = []ruleCase{
	{"documented", map[string]string{
		"feed/a.go":      documented,
		"feed/b.go":      "package p\n",
		"feed/a_test.go": "package p\n\nfunc TestX() {}\n",
	}, nil},
	{"package", map[string]string{"feed/a.go": "package p\n", "feed/b.go": "package p\n"},
		[]string{"feed/a.go:1: doc: package p has no package comment"}},
	{"names", map[string]string{"feed/a.go": `// Package p does something.
package p

type T struct{}

func (t *T) M()    {}
func (t G[K]) M()  {}
func F()           {}

const A = 1

var (
	V, W = 1, 2
	x    = 3
)

//go:noinline
func D() {}
`}, []string{
		"feed/a.go:4: doc: exported T",
		"feed/a.go:6: doc: exported M",
		"feed/a.go:7: doc: exported M",
		"feed/a.go:8: doc: exported F",
		"feed/a.go:10: doc: exported A",
		"feed/a.go:13: doc: exported V",
		"feed/a.go:13: doc: exported W",
		"feed/a.go:18: doc: exported D",
	}},
}

var unfinishedCases = []ruleCase{
	{"clean", map[string]string{"feed/a.go": "package p\n\n// mastodon, hackney, todo\nconst a = \"TODO\"\n"}, nil},
	{"marks", map[string]string{
		"feed/a.go":      "package p\n\n// TODO: later\n\n/* a FIXME */\n",
		"feed/a_test.go": "package p\n\n//XXX\n\nvar a = 1 // HACK\n",
	}, []string{
		"feed/a.go:3: unfinished: TODO", "feed/a.go:5: unfinished: FIXME",
		"feed/a_test.go:3: unfinished: XXX", "feed/a_test.go:5: unfinished: HACK",
	}},
}
