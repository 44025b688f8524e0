package main

import (
	"go/ast"
	"maps"
	"slices"
	"strings"
)

const maxMeanImports = 2

// A layer says which folders of the project those at from may import. A
// trailing /... includes the folders below.
type layer struct {
	from string
	to   []string
}

// layers is the layout; the first row that matches a folder holds for it.
// Nothing names cmd, bench or tools, so nothing below may import them.
var layers = []layer{
	{"feed/wire", nil},
	{"feed/text", []string{"feed", "feed/wire", "feed/itch"}},
	{"feed/...", []string{"feed", "feed/wire"}},
	{"sequencer/...", []string{"sequencer/...", "feed", "feed/wire"}},
	{"recovery/...", []string{"recovery/...", "feed", "feed/wire"}},
	{"multicast/...", []string{"multicast/...", "recovery/...", "feed", "feed/wire"}},
	{"cmd/...", []string{"..."}},
	{"bench/...", []string{"..."}},
	{"tools/...", []string{"..."}},
}

// receiver lists the packages that a subscribing program imports, and
// receiverMay the modules that they, and all that they import, may add to it.
var (
	receiver    = []string{"multicast", "feed/wire", "recovery"}
	receiverMay = []string{"golang.org/x/sys", "golang.org/x/net", "github.com/klauspost/compress"}
)

func matches(pattern, dir string) bool {
	if pattern == "..." {
		return true
	}
	folder, below := strings.CutSuffix(pattern, "/...")
	return dir == folder || below && strings.HasPrefix(dir, folder+"/")
}

func layerOf(dir string) (layer, bool) {
	i := slices.IndexFunc(layers, func(l layer) bool { return matches(l.from, dir) })
	if i < 0 {
		return layer{}, false
	}
	return layers[i], true
}

func (l layer) may(dir string) bool {
	return slices.ContainsFunc(l.to, func(p string) bool { return matches(p, dir) })
}

func arrows(m *module) []finding {
	var out []finding
	for _, p := range m.packages() {
		l, ok := layerOf(p.dir)
		if !ok {
			out = append(out, m.at(p.files[0].syntax.Package, "the layout has no folder %s: give it a row in layers, or move it", p.dir))
			continue
		}
		for _, s := range p.imports() {
			if to, ok := projectDir(s); ok && !l.may(to) {
				out = append(out, m.at(s.Pos(), "%s may import %s, not %s", p.dir, l.list(), to))
			}
			if s.Name != nil && s.Name.Name == "." {
				out = append(out, m.at(s.Pos(), "a dot import hides where names come from"))
			}
		}
	}
	return out
}

func (l layer) list() string {
	if len(l.to) == 0 {
		return "nothing of the project"
	}
	return strings.Join(l.to, ", ")
}

func (p pkg) imports() []*ast.ImportSpec {
	var out []*ast.ImportSpec
	for _, f := range p.files {
		out = append(out, f.syntax.Imports...)
	}
	return out
}

// projectDir returns the folder of an import from this module.
func projectDir(s *ast.ImportSpec) (dir string, ok bool) {
	p := importPath(s)
	if p == modulePath {
		return ".", true
	}
	return strings.CutPrefix(p, modulePath+"/")
}

// uses returns the folders of the project that p imports, each once.
func (p pkg) uses() []string {
	set := map[string]bool{}
	for _, s := range p.imports() {
		if dir, ok := projectDir(s); ok {
			set[dir] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// projectImports is the mean over the packages outside cmd, bench and tools.
func (m *module) projectImports() float64 {
	packages, imports := 0, 0
	for _, p := range m.packages() {
		if !apex(p.dir) {
			packages++
			imports += len(p.uses())
		}
	}
	return float64(imports) / float64(max(packages, 1))
}

func meanImports(m *module) []finding {
	if mean := m.projectImports(); mean > maxMeanImports {
		return []finding{whole("packages import %.2f of the project on average, at most %d", mean, maxMeanImports)}
	}
	return nil
}

func thirdParty(m *module) []finding {
	linked := m.closure(receiver)
	var out []finding
	for _, p := range m.packages() {
		if !linked[p.dir] {
			continue
		}
		for _, s := range p.imports() {
			if path := importPath(s); foreignModule(path) && !under(path, receiverMay...) {
				out = append(out, m.at(s.Pos(), "every subscriber would link %s", path))
			}
		}
	}
	return out
}

// closure returns the folders that the roots import, directly or not, and
// the roots.
func (m *module) closure(roots []string) map[string]bool {
	byDir := map[string]pkg{}
	for _, p := range m.packages() {
		byDir[p.dir] = p
	}
	seen := map[string]bool{}
	for queue := slices.Clone(roots); len(queue) > 0; queue = queue[1:] {
		if dir := queue[0]; !seen[dir] {
			seen[dir] = true
			queue = append(queue, byDir[dir].uses()...)
		}
	}
	return seen
}

// foreignModule reports whether the path belongs neither to this module nor
// to the standard library, whose paths begin without a dot.
func foreignModule(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return strings.Contains(first, ".") && !under(path, modulePath)
}
