package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strconv"
	"strings"
)

// modulePath is what project imports begin with.
const modulePath = "github.com/tapecast/tapecast"

// A file is one parsed Go file.
type file struct {
	path      string // below the module's root, with slashes
	lines     int
	syntax    *ast.File
	generated bool
}

func (f *file) dir() string  { return path.Dir(f.path) }
func (f *file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// A pkg is the non-test, non-generated files of one folder.
type pkg struct {
	dir   string
	files []*file
}

// A module is every Go file below the root that belongs to it, whatever its
// build constraints.
type module struct {
	fset   *token.FileSet
	files  []*file // ordered by path
	broken []finding
}

// load parses the module at fsys. Hidden folders, testdata and nested modules
// are no part of it. A file that does not parse is a finding, not an error.
func load(fsys fs.FS) (*module, error) {
	m := &module{fset: token.NewFileSet()}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && foreign(fsys, name):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		src, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		m.parse(name, src)
		return nil
	})
	return m, err
}

// foreign reports whether the go tool would leave the folder out of ./...
func foreign(fsys fs.FS, dir string) bool {
	base := path.Base(dir)
	if base == "testdata" || base == "vendor" || base[0] == '.' || base[0] == '_' {
		return true
	}
	_, err := fs.Stat(fsys, path.Join(dir, "go.mod"))
	return err == nil
}

func (m *module) parse(name string, src []byte) {
	syntax, err := parser.ParseFile(m.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		m.broken = append(m.broken, finding{pos: token.Position{Filename: name, Line: 1}, message: err.Error()})
		return
	}
	m.files = append(m.files, &file{
		path:      name,
		lines:     strings.Count(strings.TrimSuffix(string(src), "\n"), "\n") + 1,
		syntax:    syntax,
		generated: ast.IsGenerated(syntax),
	})
}

func parses(m *module) []finding { return m.broken }

// code returns the non-test, non-generated files.
func (m *module) code() []*file {
	return slices.DeleteFunc(slices.Clone(m.files), func(f *file) bool { return f.isTest() || f.generated })
}

// packages groups code by folder, in order.
func (m *module) packages() []pkg {
	byDir := map[string][]*file{}
	for _, f := range m.code() {
		byDir[f.dir()] = append(byDir[f.dir()], f)
	}
	var out []pkg
	for dir, files := range byDir {
		out = append(out, pkg{dir, files})
	}
	slices.SortFunc(out, func(a, b pkg) int { return strings.Compare(a.dir, b.dir) })
	return out
}

func (m *module) at(pos token.Pos, format string, args ...any) finding {
	return finding{pos: m.fset.Position(pos), message: fmt.Sprintf(format, args...)}
}

// whole is a finding about the module rather than a place in it.
func whole(format string, args ...any) finding {
	return finding{pos: token.Position{Filename: "go.mod", Line: 1}, message: fmt.Sprintf(format, args...)}
}

// figures is the module in one line.
func (m *module) figures() string {
	return fmt.Sprintf("%d files, %d packages, %d functions of median %d lines, %.1f project imports a package",
		len(m.code()), len(m.packages()), len(m.funcs()), median(m.funcs()), m.projectImports())
}

// under reports whether dir is one of the folders or below one.
func under(dir string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool {
		return dir == f || strings.HasPrefix(dir, f+"/")
	})
}

// core reports whether dir holds code that decides: it has no clock,
// goroutine or random source of its own.
func core(dir string) bool { return under(dir, "feed", "sequencer", "recovery") }

// apex reports whether dir holds the programs at the top of the layout.
func apex(dir string) bool { return under(dir, "cmd", "bench", "tools") }

// nodes yields the nodes of type T below root.
func nodes[T ast.Node](root ast.Node) iter.Seq[T] {
	return func(yield func(T) bool) {
		for n := range ast.Preorder(root) {
			if t, ok := n.(T); ok && !yield(t) {
				return
			}
		}
	}
}

// importPath of a parsed import is always a valid string.
func importPath(s *ast.ImportSpec) string {
	p, _ := strconv.Unquote(s.Path.Value)
	return p
}
