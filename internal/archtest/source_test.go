package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// module is the path of the module that is checked.
const module = "github.com/rollcall-iam/rollcall"

// source is one Go file of the module.
type source struct {
	name      string // "internal/plan/plan.go"
	dir       string // "internal/plan"
	test      bool
	generated bool
	lines     int
	syntax    *ast.File
	set       *token.FileSet
}

// sources parses every Go file of the module, nested modules left out.
func sources(t *testing.T) []source {
	t.Helper()
	root := moduleRoot(t)
	var all []source
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if file != root && foreign(file, entry.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(file) != ".go" {
			return nil
		}
		s, err := parse(root, file)
		all = append(all, s)
		return err
	})
	if err != nil {
		t.Fatalf("read the module: %v", err)
	}
	if len(all) == 0 {
		t.Fatalf("there is no Go file below %s", root)
	}
	return all
}

// foreign reports whether a directory is none of this module's packages.
func foreign(dir, name string) bool {
	if name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return true
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func parse(root, file string) (source, error) {
	name, err := filepath.Rel(root, file)
	if err != nil {
		return source{}, err
	}
	name = filepath.ToSlash(name)
	set := token.NewFileSet()
	syntax, err := parser.ParseFile(set, file, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return source{}, err
	}
	return source{
		name:      name,
		dir:       path.Dir(name),
		test:      strings.HasSuffix(name, "_test.go"),
		generated: ast.IsGenerated(syntax),
		lines:     set.File(syntax.Pos()).LineCount(),
		syntax:    syntax,
		set:       set,
	}, nil
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("there is no go.mod above this test")
		}
	}
}

// at returns where a node is, for messages.
func (s source) at(node ast.Node) string {
	return s.name + ":" + strings.TrimPrefix(s.set.Position(node.Pos()).String(), s.set.Position(node.Pos()).Filename+":")
}
