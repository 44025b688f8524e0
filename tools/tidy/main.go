// Tidy turns the house rules into a test: what may import what, how long
// functions and files may be, which calls the core must not make, what needs
// a doc comment.
//
//	go run ./tools/tidy          check the module around the working directory
//	go run ./tools/tidy -rules   print the rules
//
// The package's own test runs the same rules over the module, so that
// `go test ./...` and `make check` enforce them. A finding reads
// `file:line: rule: message`; the exit code is 1 if there is any.
//
// Some rules (those marked "may be waived") yield to a comment at the end of
// the line, which must give its reason:
//
//	panic("unreachable") //tidy:allow the switch above covers every kind
//
// A rule is one small function in the file of its subject, with a row in
// rules.go and cases in that file's test which prove that it can fail.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

func main() {
	list := flag.Bool("rules", false, "print the rules and exit")
	flag.Parse()
	if *list {
		printRules(os.Stdout)
		return
	}
	n, err := tidy(os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tidy:", err)
		os.Exit(2)
	}
	if n > 0 {
		os.Exit(1)
	}
}

// tidy writes the findings to out and the module's figures to diag. It
// returns the number of findings.
func tidy(out, diag io.Writer) (int, error) {
	root, err := findRoot()
	if err != nil {
		return 0, err
	}
	m, err := load(os.DirFS(root))
	if err != nil {
		return 0, err
	}
	found := run(m, rules)
	for _, f := range found {
		fmt.Fprintln(out, f)
	}
	fmt.Fprintf(diag, "tidy: %s: %d findings\n", m.figures(), len(found))
	return len(found), nil
}

// findRoot returns the nearest folder with a go.mod, from the working
// directory upwards.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if !errors.Is(err, fs.ErrNotExist) {
			return dir, err
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod here or above: run it inside the module")
		}
		dir = up
	}
}

func printRules(w io.Writer) {
	for _, r := range rules {
		note := ""
		if r.waivable {
			note = " (may be waived)"
		}
		fmt.Fprintf(w, "%-12s %s%s\n", r.name, r.says, note)
	}
}
