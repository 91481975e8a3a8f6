package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"testing"
)

// TestEveryDriverHasItsRules compares the worker's list of drivers with the list
// of rules here: a type without rules would have its names checked only on the
// platform.
func TestEveryDriverHasItsRules(t *testing.T) {
	t.Parallel()
	types := driverTypes(t, filepath.Join("..", "worker", "drivers.go"))
	if len(types) == 0 {
		t.Fatal("worker/drivers.go lists no driver: this test reads the map literal in drivers()")
	}
	for _, name := range types {
		rules, ok := platformRules(name)
		if !ok {
			t.Errorf("the worker drives %q, and apply cannot check its names: add it to platformRules", name)
			continue
		}
		if rules.Fit == nil || rules.LookupAttribute == "" {
			t.Errorf("the rules of %q are empty: %+v", name, rules)
		}
	}
	if _, ok := platformRules("unicorn"); ok {
		t.Error("there are rules for a type that nobody knows")
	}
}

// driverTypes returns the keys of the map that the function drivers returns. It
// reads the source, because a main package cannot be imported.
func driverTypes(t *testing.T, file string) []string {
	t.Helper()
	syntax, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, decl := range syntax.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Name.Name != "drivers" {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			pair, ok := n.(*ast.KeyValueExpr)
			if !ok {
				return true
			}
			key, ok := pair.Key.(*ast.BasicLit)
			if !ok {
				t.Errorf("the key at %d of drivers() is no text: write the type as documents do", pair.Pos())
				return true
			}
			name, err := strconv.Unquote(key.Value)
			if err != nil {
				t.Fatal(err)
			}
			types = append(types, name)
			return true
		})
	}
	return types
}
