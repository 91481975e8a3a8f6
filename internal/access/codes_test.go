package access_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// TestCodesAreAllThereAre compares the list with the constants themselves.
func TestCodesAreAllThereAre(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "remark.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var declared []access.Code
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == "Code" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			declared = append(declared, access.Code(text))
		}
		return true
	})
	slices.Sort(declared)
	if !slices.Equal(declared, access.Codes()) {
		t.Errorf("Codes() = %v\nwant what remark.go declares, in order: %v", access.Codes(), declared)
	}
}
