package main

import (
	"go/ast"
	"go/token"
	"strings"
)

// state allows three kinds of package-level variable without a word: blank
// ones, which assert; error sentinels; and tables, which are literals of
// constants that nothing in the package writes.
func state(m *module) []finding {
	var out []finding
	for _, p := range m.packages() {
		if apex(p.dir) {
			continue
		}
		written := p.written()
		for name, value := range p.vars() {
			if name.Name == "_" || !written[name.Name] && (isSentinel(name, value) || isTable(value)) {
				continue
			}
			out = append(out, m.at(name.Pos(), "package-level variable %s: make it a constant, a field or an argument", name.Name))
		}
	}
	return out
}

// vars yields the package-level variables with their values, nil if none.
func (p pkg) vars() func(yield func(*ast.Ident, ast.Expr) bool) {
	return func(yield func(*ast.Ident, ast.Expr) bool) {
		for _, spec := range p.varSpecs() {
			for i, name := range spec.Names {
				var value ast.Expr
				if i < len(spec.Values) {
					value = spec.Values[i]
				}
				if !yield(name, value) {
					return
				}
			}
		}
	}
}

func (p pkg) varSpecs() []*ast.ValueSpec {
	var out []*ast.ValueSpec
	for _, f := range p.files {
		for _, d := range f.syntax.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
				for _, s := range g.Specs {
					out = append(out, s.(*ast.ValueSpec))
				}
			}
		}
	}
	return out
}

// isSentinel recognises `ErrX = errors.New(...)` and `fmt.Errorf`.
func isSentinel(name *ast.Ident, value ast.Expr) bool {
	call, ok := value.(*ast.CallExpr)
	if !ok || !strings.HasPrefix(strings.ToLower(name.Name), "err") {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	from, ok := sel.X.(*ast.Ident)
	return ok && (from.Name == "errors" && sel.Sel.Name == "New" || from.Name == "fmt" && sel.Sel.Name == "Errorf")
}

// isTable recognises an array, slice or map literal without calls (a
// conversion looks like one) and without addresses.
func isTable(value ast.Expr) bool {
	lit, ok := value.(*ast.CompositeLit)
	if !ok {
		return false
	}
	switch lit.Type.(type) {
	case *ast.ArrayType, *ast.MapType:
	default:
		return false
	}
	for range nodes[*ast.CallExpr](lit) {
		return false
	}
	for u := range nodes[*ast.UnaryExpr](lit) {
		if u.Op == token.AND {
			return false
		}
	}
	return true
}

// written returns the names that the package assigns, increments, takes the
// address of or hands to a writing builtin, wherever they are declared: a
// local variable that shadows a table had better be renamed.
func (p pkg) written() map[string]bool {
	set := map[string]bool{}
	for _, f := range p.files {
		for n := range ast.Preorder(f.syntax) {
			for _, target := range targets(n) {
				set[rootName(target)] = true
			}
		}
	}
	return set
}

// targets returns the expressions that n itself writes or may let others
// write.
func targets(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			return []ast.Expr{n.Key, n.Value}
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			return []ast.Expr{n.X}
		}
	case *ast.CallExpr:
		if calls(n, "copy", "clear", "delete", "append") && len(n.Args) > 0 {
			return n.Args[:1]
		}
	}
	return nil
}

// rootName strips indices, slices, fields and dereferences: t in t[i].x.
func rootName(e ast.Expr) string {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x.Name
		case *ast.IndexExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return ""
		}
	}
}
