package main

// declares returns package p with the declaration on line 3.
func declares(decl string) map[string]string {
	return map[string]string{"feed/a.go": "package p\n\n" + decl + "\n"}
}

var stateCases = []ruleCase{
	{"assertion", declares("var _ io.Reader = (*R)(nil)"), nil},
	{"sentinel", declares(`var ErrShort, errLong = errors.New("short"), fmt.Errorf("%w: long", ErrShort)`), nil},
	{"sentinel by name only", declares("var errCount = count()"), []string{"feed/a.go:3: state: package-level variable errCount"}},
	{"table", declares(`var names = [...]string{1: "a", 2: "b"}` + "\nvar sizes = map[string]int{`a`: 1 << 3}\nvar masks = []int{A | B, -1}"), nil},
	{"plain", declares("var count int"), []string{"feed/a.go:3: state: package-level variable count"}},
	{"call", declares("var table = crc32.MakeTable(crc32.Castagnoli)"), []string{"feed/a.go:3: state: package-level variable table"}},
	{"waived", declares("var table = crc32.MakeTable(crc32.Castagnoli) //tidy:allow a constant in all but syntax"), nil},
	{"table with a call", declares("var names = []string{name()}"), []string{"feed/a.go:3: state: "}},
	{"table of pointers", declares("var names = []*T{&T{}}"), []string{"feed/a.go:3: state: "}},
	{"struct", declares("var config = Config{1}"), []string{"feed/a.go:3: state: "}},
	{"table assigned", declares("var a = []int{1}\n\nfunc f() { a = nil }"), []string{"feed/a.go:3: state: "}},
	{"element assigned", declares("var a = []T{1}\n\nfunc f() { a[0].x.y = 2 }"), []string{"feed/a.go:3: state: "}},
	{"element counted", declares("var a = []int{1}\n\nfunc f() { a[0]++ }"), []string{"feed/a.go:3: state: "}},
	{"address taken", declares("var a = []int{1}\n\nfunc f() *int { return &a[0] }"), []string{"feed/a.go:3: state: "}},
	{"range target", declares("var a = []int{1}\n\nfunc f() {\n\tfor a[0] = range 3 {\n\t}\n}"), []string{"feed/a.go:3: state: "}},
	{"deleted from", declares("var a = map[int]int{1: 1}\n\nfunc f() { delete(a, 1) }"), []string{"feed/a.go:3: state: "}},
	{"copied over", declares("var a = []int{1}\n\nfunc f() { copy(a[1:], b) }"), []string{"feed/a.go:3: state: "}},
	{"copied from", declares("var a = []int{1}\n\nfunc f() { copy(b, a); b = append(b, a...) }"), nil},
	{"sentinel assigned", declares("var errA = errors.New(\"a\")\n\nfunc f() { errA = nil }"), []string{"feed/a.go:3: state: "}},
	{"written in another file", map[string]string{
		"multicast/a.go": "package p\n\nvar a = []int{1}\n",
		"multicast/b.go": "package p\n\nfunc f() { a[0] = 2 }\n",
	}, []string{"multicast/a.go:3: state: "}},
	{"programs may", map[string]string{"cmd/tapecast/a.go": "package p\n\nvar version string\n"}, nil},
}
