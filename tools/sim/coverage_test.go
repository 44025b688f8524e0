package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tapecast/tapecast/recovery"
	"github.com/tapecast/tapecast/recovery/retransmit"
	"github.com/tapecast/tapecast/sequencer/journal"
)

// What the seeds of CI must reach is read from the sources, so that nothing new can
// be forgotten: every fault of the simulator, every call of a disk, every refusal
// code and session error of the retransmit service, every state, event, cause and
// provenance of recovery, every error of the journal, and every reason for which it
// ends its scan.

// exempt is what cannot be reached here, and why. What is reached after all must
// leave the list.
func exempt() map[string]string {
	const (
		caller = "only a mistake of the caller of retransmit.Client brings it about; its tests do"
		writer = "a record that verifies and cannot be: only a wrong writer makes one; the journal's damage tests do"
		alone  = "there is one journal and one process here"
	)
	return map[string]string{
		"error: retransmit: no welcome yet":                                 caller,
		"error: retransmit: request id is 0 or still open":                  caller,
		"error: retransmit: a range is first to last, from 1":               caller,
		"error: retransmit: the range is larger than the server allows":     caller,
		"error: retransmit: as many requests are open as the server allows": caller,
		"error: journal: in use by another process":                         alone,
		"error: journal: belongs to another session or channel":             alone,
		"error: journal: no session to read":                                alone,
		"error: journal: unsupported format version":                        "there is one version",
		"error: journal: options cannot be used":                            "they are drawn so that they can",
		"journal: the segment is full without a roll record":                writer,
		"journal: record is cut short":                                      "the file would have to shrink while it is read",
		"journal: the segment does not continue the one before":             "no disk swaps whole files here; the journal's damage tests do",
		"error: retransmit: the peer takes no bytes":                        "the connections of the daemon, and so those here, bound each write themselves; the tests of retransmit reach it",
		"journal: the end of the session is not where the packets end":      writer,
		"journal: the roll record names another segment":                    writer,
		"journal: the record is of no known type, or not of its length":     writer,
		"journal: the record holds something else than one packet":          writer,
		"journal: the packet's sequence does not follow":                    writer,
		"journal: the packet does not continue the chain":                   writer,
		"journal: the packet is of another epoch, session or channel":       writer,
		"journal: a packet follows the end of the session":                  writer,
		"journal: the epoch does not rise":                                  writer,
		"journal: an epoch follows the end of the session":                  writer,
		"journal: the epoch's cut is not one of this journal":               writer,
	}
}

// required is everything that must be reached.
func required(t *testing.T) (all []string) {
	all = append(all, covers(t)...)
	for _, f := range faultNames {
		all = append(all, "fault: "+f)
	}
	for _, m := range mischiefs() {
		all = append(all, "guest: "+m.name)
	}
	for c := 1; c < len(retransmit.Stats{}.Refused); c++ {
		all = append(all, "refused: "+retransmit.Code(c).String())
	}
	for _, c := range constants(t, "../../recovery", "Cause") {
		all = append(all, "because: "+recovery.Cause(c).String())
	}
	for _, c := range constants(t, "../../recovery", "State") {
		all = append(all, "state "+recovery.State(c).String())
	}
	for _, c := range constants(t, "../../recovery", "EventKind") {
		if k := recovery.EventKind(c); k != recovery.EventState {
			all = append(all, "event "+k.String())
		}
	}
	for _, c := range constants(t, "../../recovery", "Provenance") {
		if p := recovery.Provenance(c); p != recovery.Snapshot && p != recovery.Replay && p != recovery.Recording {
			all = append(all, "delivered by "+p.String())
		}
	}
	for _, dir := range []string{"../../recovery/retransmit", "../../sequencer/journal"} {
		for _, text := range sentinels(t, dir) {
			all = append(all, "error: "+text)
		}
	}
	return append(append(all, diskCalls()...), scanReasons(t)...)
}

// diskCalls are the calls of a disk, which must all fail and lose power; a full disk
// takes no new file.
func diskCalls() (all []string) {
	for _, typ := range []reflect.Type{reflect.TypeFor[journal.FS](), reflect.TypeFor[journal.File]()} {
		for i := range typ.NumMethod() {
			call := typ.Method(i).Name
			if call == "Close" {
				continue // its error says nothing that sync did not
			}
			all = append(all, "disk fails: "+call)
			if changes(call) {
				all = append(all, "power cut inside "+call)
			}
		}
	}
	return append(all, "disk full: Create", "disk full: Preallocate", "disk full: MkdirAll")
}

// sources parses the files of a package that are no tests.
func sources(t *testing.T, dir string) (files []*ast.File) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s has no sources: %v", dir, err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// constants are the values, other than 0, of the constants of a type.
func constants(t *testing.T, dir, typ string) (values []int) {
	for _, f := range sources(t, dir) {
		ast.Inspect(f, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Values) != 1 {
				return true
			}
			id, ok := v.Type.(*ast.Ident)
			lit, number := v.Values[0].(*ast.BasicLit)
			if ok && number && id.Name == typ && lit.Value != "0" {
				n, err := strconv.Atoi(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, n)
			}
			return true
		})
	}
	if len(values) == 0 {
		t.Fatalf("%s has no constants of type %s", dir, typ)
	}
	return values
}

// sentinels are the texts of the exported errors of a package.
func sentinels(t *testing.T, dir string) (texts []string) {
	for _, f := range sources(t, dir) {
		ast.Inspect(f, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if ok && len(v.Values) == 1 && strings.HasPrefix(v.Names[0].Name, "Err") {
				if call, ok := v.Values[0].(*ast.CallExpr); ok {
					texts = append(texts, literal(t, call.Args[0]))
				}
			}
			return true
		})
	}
	return texts
}

func literal(t *testing.T, e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	text, err := strconv.Unquote(lit.Value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// covers are the words that the simulator counts.
func covers(t *testing.T) (words []string) {
	for _, f := range sources(t, ".") {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				return true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "cover" {
				if word := literal(t, call.Args[0]); word != "" {
					words = append(words, word)
				}
			}
			return true
		})
	}
	return words
}

// scanReasons are the reasons with which the journal's scan ends: texts that are
// returned, or handed to rot and finish.
func scanReasons(t *testing.T) (all []string) {
	take := func(e ast.Expr) {
		if text := literal(t, e); strings.Contains(text, " ") && !strings.Contains(text, "%") {
			all = append(all, "journal: "+text)
		}
	}
	for _, f := range sources(t, "../../sequencer/journal") {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || !slices.Contains([]string{"scan", "segmentReader"}, receiverName(fn)) {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				switch x := n.(type) {
				case *ast.ReturnStmt:
					for _, e := range x.Results {
						take(e)
					}
				case *ast.CallExpr:
					if sel, ok := x.Fun.(*ast.SelectorExpr); ok && (sel.Sel.Name == "rot" || sel.Sel.Name == "finish") {
						take(x.Args[len(x.Args)-1])
					}
				}
				return true
			})
		}
	}
	return all
}

func receiverName(fn *ast.FuncDecl) string {
	if star, ok := fn.Recv.List[0].Type.(*ast.StarExpr); ok {
		if id, ok := star.X.(*ast.Ident); ok {
			return id.Name
		}
	}
	return ""
}

// checkCoverage fails for everything that was to be reached and was not.
func checkCoverage(t *testing.T, coverage map[string]uint64) {
	t.Helper()
	not := exempt()
	all := required(t)
	slices.Sort(all)
	all = slices.Compact(all)
	for _, what := range all {
		reason, ok := not[what]
		switch {
		case coverage[what] == 0 && !ok:
			t.Errorf("never reached: %s", what)
		case coverage[what] > 0 && ok:
			t.Errorf("reached %d times, and exempted because %s: %s", coverage[what], reason, what)
		}
		delete(not, what)
	}
	for what := range not {
		t.Errorf("exempted, and nothing that could be reached: %s", what)
	}
	t.Logf("%d things reached of %d, %d exempted", len(all)-len(exempt()), len(all), len(exempt()))
}
