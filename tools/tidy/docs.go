package main

import (
	"go/ast"
	"go/token"
	"regexp"
)

var unfinishedMark = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)

func docs(m *module) []finding {
	var out []finding
	for _, p := range m.packages() {
		if !p.hasComment() {
			out = append(out, m.at(p.files[0].syntax.Package, "package %s has no package comment", p.files[0].syntax.Name.Name))
		}
		for _, f := range p.files {
			for _, id := range undocumented(f) {
				out = append(out, m.at(id.Pos(), "exported %s has no doc comment", id.Name))
			}
		}
	}
	return out
}

func (p pkg) hasComment() bool {
	for _, f := range p.files {
		if says(f.syntax.Doc) {
			return true
		}
	}
	return false
}

// says reports whether one of the comments has text beside directives.
func says(groups ...*ast.CommentGroup) bool {
	for _, g := range groups {
		if g.Text() != "" {
			return true
		}
	}
	return false
}

func undocumented(f *file) []*ast.Ident {
	var out []*ast.Ident
	for _, d := range f.syntax.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && receiverExported(d) && !says(d.Doc) {
				out = append(out, d.Name)
			}
		case *ast.GenDecl:
			out = append(out, undocumentedSpecs(d)...)
		}
	}
	return out
}

// receiverExported is true for functions.
func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	for id := range nodes[*ast.Ident](d.Recv.List[0].Type) {
		return id.IsExported() // the type comes before its parameters
	}
	return false
}

// undocumentedSpecs takes a comment on the group, above a name or behind it.
func undocumentedSpecs(d *ast.GenDecl) []*ast.Ident {
	if d.Tok == token.IMPORT || says(d.Doc) {
		return nil
	}
	var out []*ast.Ident
	for _, s := range d.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && !says(s.Doc, s.Comment) {
				out = append(out, s.Name)
			}
		case *ast.ValueSpec:
			for _, name := range s.Names {
				if name.IsExported() && !says(s.Doc, s.Comment) {
					out = append(out, name)
				}
			}
		}
	}
	return out
}

// unfinished looks at tests too.
func unfinished(m *module) []finding {
	var out []finding
	for _, f := range m.files {
		for _, g := range f.syntax.Comments {
			for _, c := range g.List {
				if mark := unfinishedMark.FindString(c.Text); mark != "" && !f.generated {
					out = append(out, m.at(c.Pos(), "%s: finish it, or file it and leave no mark", mark))
				}
			}
		}
	}
	return out
}
