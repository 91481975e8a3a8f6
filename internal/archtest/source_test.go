package archtest

import (
	"errors"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// update writes what tests compare with, instead of comparing.
var update = flag.Bool("update", false, "write testdata/wire-names.txt, lower the figures of testdata/vocabulary/baseline.txt")

// module is the path of the module that is checked.
const module = "github.com/rollcall-iam/rollcall"

// source is one Go file of the repository.
type source struct {
	name      string // "internal/plan/plan.go"
	dir       string // "internal/plan"
	test      bool
	nested    bool // belongs to a module below the root
	generated bool
	lines     int
	syntax    *ast.File
	set       *token.FileSet
}

// sources returns every Go file of the module, nested modules left out.
func sources(t *testing.T) []source {
	t.Helper()
	return slices.DeleteFunc(slices.Clone(allSources(t)), func(s source) bool { return s.nested })
}

// allSources returns every Go file of every module of the repository. Each file
// is parsed once, for all tests together; tests do not change the syntax trees.
func allSources(t *testing.T) []source {
	t.Helper()
	root := moduleRoot(t)
	parsed.once.Do(func() { parsed.sources, parsed.err = parseAll(root) })
	if parsed.err != nil {
		t.Fatalf("read the modules: %v", parsed.err)
	}
	if len(parsed.sources) == 0 {
		t.Fatalf("there is no Go file below %s", root)
	}
	return parsed.sources
}

// parsed holds what parseAll returned to the first test that asked.
var parsed struct {
	once    sync.Once
	sources []source
	err     error
}

func parseAll(root string) ([]source, error) {
	type location struct {
		file   string
		nested bool
	}
	var files []location
	var nested []string // directories of modules below the root
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if file != root && skipped(entry.Name()) {
				return fs.SkipDir
			}
			if _, err := os.Stat(filepath.Join(file, "go.mod")); err == nil && file != root {
				nested = append(nested, file+string(filepath.Separator))
			}
			return nil
		}
		if filepath.Ext(file) == ".go" {
			below := slices.ContainsFunc(nested, func(dir string) bool { return strings.HasPrefix(file, dir) })
			files = append(files, location{file, below})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	all := make([]source, len(files))
	errs := make([]error, len(files))
	var wait sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, p := range files {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			all[i], errs[i] = parse(root, p.file)
			all[i].nested = p.nested
		})
	}
	wait.Wait()
	return all, errors.Join(errs...)
}

// skipped reports whether no package is in a directory of that name.
func skipped(name string) bool {
	return name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
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
