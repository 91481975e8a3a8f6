package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// shippedSources returns every Go file that is no test, of all modules.
func shippedSources(t *testing.T) []source {
	t.Helper()
	return slices.DeleteFunc(slices.Clone(allSources(t)), func(s source) bool { return s.test })
}

// parseSource parses a file from memory.
func parseSource(name string, text []byte) (source, error) {
	set := token.NewFileSet()
	syntax, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	return source{name: name, dir: path.Dir(name), syntax: syntax, set: set}, err
}

// vendor reports whether a package speaks a vendor's wire format or runs a
// vendor's server: its names are not Rollcall's to choose.
func vendor(dir string) bool {
	return matchesAny([]string{
		"internal/simulate/...", "internal/driver/*/...", "internal/engines/...",
		"deploy/dev/probe/...", "deploy/dev/clouds/...", "deploy/dev/sim/...", "deploy/engines/...",
	}, dir)
}

// values are the string constants of all packages: directory, name, value.
type values map[string]map[string]string

// constants evaluates the string constants of packages. A second round finds
// those that are made of others.
func constants(files []source) values {
	known := values{}
	for range 2 {
		for _, s := range files {
			for _, decl := range s.syntax.Decls {
				known.declare(s, decl)
			}
		}
	}
	return known
}

func (v values) declare(s source, decl ast.Decl) {
	general, ok := decl.(*ast.GenDecl)
	if !ok || general.Tok != token.CONST {
		return
	}
	for _, spec := range general.Specs {
		value, ok := spec.(*ast.ValueSpec)
		if !ok {
			continue
		}
		for i, name := range value.Names {
			if i >= len(value.Values) {
				break
			}
			if text, ok := v.eval(s, value.Values[i]); ok {
				if v[s.dir] == nil {
					v[s.dir] = map[string]string{}
				}
				v[s.dir][name.Name] = text
			}
		}
	}
}

// eval returns the value of a constant string expression.
func (v values) eval(s source, e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.Ident:
		text, ok := v[s.dir][e.Name]
		return text, ok
	case *ast.SelectorExpr:
		pkg, ok := e.X.(*ast.Ident)
		if !ok {
			return "", false
		}
		text, ok := v[importedDir(s, pkg.Name)][e.Sel.Name]
		return text, ok
	case *ast.ParenExpr:
		return v.eval(s, e.X)
	case *ast.BinaryExpr:
		left, one := v.eval(s, e.X)
		right, two := v.eval(s, e.Y)
		return left + right, one && two && e.Op == token.ADD
	case *ast.CallExpr: // a conversion, such as string(access.UserRevoked)
		if len(e.Args) != 1 {
			return "", false
		}
		if name, ok := e.Fun.(*ast.Ident); ok && name.Name == "string" {
			return v.eval(s, e.Args[0])
		}
	}
	return "", false
}

// template is eval with a "?" for each part that is no constant: a query that is
// put together keeps its text.
func (v values) template(s source, e ast.Expr) string {
	if text, ok := v.eval(s, e); ok {
		return text
	}
	if binary, ok := e.(*ast.BinaryExpr); ok && binary.Op == token.ADD {
		return v.template(s, binary.X) + v.template(s, binary.Y)
	}
	return "?"
}

// importedDir returns the directory of the module's package that a file calls by
// this name; empty for packages of others.
func importedDir(s source, name string) string {
	for _, spec := range s.syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		dir, ours := strings.CutPrefix(imported, module+"/")
		if !ours {
			continue
		}
		if spec.Name != nil && spec.Name.Name == name || spec.Name == nil && path.Base(dir) == name {
			return dir
		}
	}
	return ""
}

// inDeclarations calls visit for every node, with the name of the top-level
// declaration it belongs to.
func inDeclarations(s source, visit func(in string, node ast.Node)) {
	for _, decl := range s.syntax.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			walk(d.Name.Name, d, visit)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				walk(specName(spec), spec, visit)
			}
		}
	}
}

func walk(in string, root ast.Node, visit func(in string, node ast.Node)) {
	ast.Inspect(root, func(node ast.Node) bool {
		if node != nil {
			visit(in, node)
		}
		return true
	})
}

func specName(spec ast.Spec) string {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		return s.Names[0].Name
	case *ast.TypeSpec:
		return s.Name.Name
	default:
		return ""
	}
}

// called returns the name of the function or method of a call.
func called(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	case *ast.IndexExpr: // an instance of a generic function
		return called(&ast.CallExpr{Fun: f.X})
	default:
		return ""
	}
}
