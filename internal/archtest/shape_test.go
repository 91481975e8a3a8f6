package archtest

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"testing"
)

// maxLines is how long a file may be that people wrote.
const maxLines = 500

// core are the packages that must work for every platform alike.
func core() []string {
	return []string{
		"internal/access", "internal/plan", "internal/desired", "internal/driver", "internal/reconcile",
		"activities/...", "workflows/...",
	}
}

// platformName matches the name of a platform, its vendor or its parts.
var platformName = regexp.MustCompile(`(?i)(open_?stack|keystone|gophercloud|\baws\b|amazon|azure|entra\b|` +
	`\bgcp\b|google|kubernetes|open_?shift|cloud_?foundry|\baks\b|msgraph)`)

// TestNoPlatformInTheCore looks at identifiers and texts. Comments may give
// examples.
func TestNoPlatformInTheCore(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || !matchesAny(core(), s.dir) {
			continue
		}
		ast.Inspect(s.syntax, func(node ast.Node) bool {
			text := ""
			switch n := node.(type) {
			case *ast.Ident:
				text = n.Name
			case *ast.BasicLit:
				text = n.Value
			}
			if name := platformName.FindString(text); name != "" {
				t.Errorf("%s: %q is in the core, which knows no platform: ask the driver's profile", s.at(node), name)
			}
			return true
		})
	}
}

// TestNoInit: what happens on import cannot be seen, ordered or tested.
func TestNoInit(t *testing.T) {
	for _, s := range sources(t) {
		if s.generated {
			continue
		}
		for _, decl := range s.syntax.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: call it from main instead of init", s.at(f))
			}
		}
	}
}

// TestFileLength: a file that does not fit a mind gets split by concern.
func TestFileLength(t *testing.T) {
	for _, s := range sources(t) {
		if !s.generated && !s.test && s.lines > maxLines {
			t.Errorf("%s has %d lines, more than %d: split it by concern", s.name, s.lines, maxLines)
		}
	}
}

// TestPackageComments: the first sentence of every package says what it is.
func TestPackageComments(t *testing.T) {
	commented := map[string]bool{}
	for _, s := range sources(t) {
		if !s.test {
			commented[s.dir] = commented[s.dir] || s.syntax.Doc != nil
		}
	}
	for dir, ok := range commented {
		if !ok {
			t.Errorf("%s has no package comment: say in one sentence what it is", dir)
		}
	}
}

// TestDriversLookAlike: who knows one driver finds everything in the next.
func TestDriversLookAlike(t *testing.T) {
	files := map[string][]string{}
	for _, s := range sources(t) {
		if matches("internal/driver/*", s.dir) && !matchesAny([]string{"internal/driver/drivertest", "internal/driver/types"}, s.dir) && !s.test {
			files[s.dir] = append(files[s.dir], path.Base(s.name))
		}
	}
	for dir, have := range files {
		for _, want := range []string{"doc.go", "driver.go", "api.go", "apply.go", "convert.go"} {
			if !slices.Contains(have, want) {
				t.Errorf("%s has no %s: every driver has the same files", dir, want)
			}
		}
	}
}

// TestRulesOfDrivers: apply checks names with every driver's rules.
func TestRulesOfDrivers(t *testing.T) {
	functions := map[string][]string{}
	for _, s := range sources(t) {
		if s.test || !matches("internal/driver/*/rules", s.dir) {
			continue
		}
		for _, decl := range s.syntax.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && token.IsExported(f.Name.Name) {
				functions[s.dir] = append(functions[s.dir], f.Name.Name)
			}
		}
	}
	for dir, have := range functions {
		for _, want := range []string{"Profile", "Fit"} {
			if !slices.Contains(have, want) {
				t.Errorf("%s has no func %s", dir, want)
			}
		}
	}
}
