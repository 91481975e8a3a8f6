package archtest

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

var fetchWords = flag.Bool("fetch-words", false, "write the word lists of the field from the modules' sources")

// field is a list of words that others have settled.
type field struct {
	file string
	// owner says whose words they are, for the head of the file.
	owner string
	// modules are those whose words they are; a version that is missing is the
	// one of go.mod. "std" is Go's standard library.
	modules []string
	// prose: the words of doc comments, not those of exported names.
	prose bool
	// internal: its own packages are below "internal".
	internal bool
	// least is how many names or packages must have a word.
	least int
	// only are the directories that may use them; none means all.
	only []string
}

// general reports whether any name may use the list's words.
func (f field) general() bool { return !f.prose && f.only == nil }

// platformDirs are the packages that speak to vendors, or stand for them.
func platformDirs() []string {
	return []string{"internal/driver/*/...", "internal/simulate/...", "internal/engines/...", "internal/testenv/...", "deploy/..."}
}

// fields is the whole table. A list leaves out the words of the
// general lists before it.
func fields() []field {
	return []field{
		{file: "go.txt", owner: "Go's standard library", modules: []string{"std"}, least: 2},
		{file: "kubernetes.txt", owner: "Kubernetes", modules: []string{"k8s.io/apimachinery", "k8s.io/api", "k8s.io/client-go"}, least: 2},
		{file: "temporal.txt", owner: "Temporal", modules: []string{"go.temporal.io/sdk", "go.temporal.io/api"}, least: 2},
		{
			file: "terraform.txt", owner: "Terraform", internal: true, least: 4,
			modules: []string{"github.com/hashicorp/terraform@v1.13.3", "github.com/hashicorp/terraform-plugin-framework@v1.19.0"},
		},
		{file: "libraries.txt", owner: "the libraries that every package may use", least: 1, modules: []string{
			"github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/jackc/pgx/v5", "github.com/google/go-cmp", "pgregory.net/rapid",
			"github.com/pressly/goose/v3", "go.yaml.in/yaml/v3", "github.com/santhosh-tekuri/jsonschema/v6", "github.com/golang-jwt/jwt/v5",
		}},
		{
			file: "prose.txt", owner: "doc comments of Go, Kubernetes, Temporal and Terraform, for texts alone", prose: true, least: 4,
			modules: []string{"std", "k8s.io/apimachinery", "k8s.io/api", "k8s.io/client-go", "go.temporal.io/sdk", "github.com/spf13/cobra"},
		},
		{file: "vendors.txt", owner: "the vendors' clients, for the packages of platforms alone", least: 2, only: platformDirs(), modules: []string{
			"github.com/gophercloud/gophercloud/v2", "github.com/cloudfoundry/go-cfclient/v3", "github.com/openshift/api",
			"github.com/aws/aws-sdk-go-v2/service/identitystore", "github.com/aws/aws-sdk-go-v2/service/ssoadmin",
			"github.com/aws/aws-sdk-go-v2/service/organizations", "github.com/aws/aws-sdk-go-v2/service/sts",
			"github.com/Azure/azure-sdk-for-go/sdk/azcore", "github.com/Azure/azure-sdk-for-go/sdk/azidentity",
			"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2",
			"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resourcegraph/armresourcegraph",
		}},
	}
}

// vocabularyDir has the lists.
const vocabularyDir = "testdata/vocabulary"

// TestFetchWords writes the lists of the field when it is told to.
func TestFetchWords(t *testing.T) {
	if !*fetchWords {
		t.Skip("the lists of the field are committed; -fetch-words writes them anew")
	}
	has := map[string]bool{}
	for _, f := range fields() {
		counts := map[string]int{}
		var versions []string
		for _, m := range f.modules {
			version, dir := fetch(t, m)
			versions = append(versions, version)
			if err := countWords(dir, f, counts); err != nil {
				t.Fatal(err)
			}
		}
		words := newWords(counts, f.least, has, retiredWords(t, f.prose))
		writeField(t, f, versions, words)
		for _, word := range words {
			has[word] = f.general()
		}
	}
}

// newWords returns the words that enough names have and no list before. Short
// words come first, as inflections follow their bases.
func newWords(counts map[string]int, least int, has, retired map[string]bool) []string {
	var candidates, words []string
	for word, n := range counts {
		if n >= least && wordPattern.MatchString(word) && !retired[word] {
			candidates = append(candidates, word)
		}
	}
	slices.SortFunc(candidates, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	added := map[string]bool{}
	for _, word := range candidates {
		if !isListed(word, func(w string) bool { return has[w] || added[w] }) {
			added[word] = true
			words = append(words, word)
		}
	}
	slices.Sort(words)
	return words
}

// wordPattern leaves out encodings and generated names.
var wordPattern = regexp.MustCompile(`^[a-z]{3,18}$`)

func writeField(t *testing.T, f field, versions, words []string) {
	t.Helper()
	origin := "exported names"
	if f.prose {
		origin = "doc comments"
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "# Words of %s that no more general list has.\n", f.owner)
	fmt.Fprintf(&text, "# Made from the %s of:\n", origin)
	for _, version := range versions {
		fmt.Fprintf(&text, "#   %s\n", version)
	}
	fmt.Fprintf(&text, "# by: go test ./internal/archtest -run TestFetchWords -fetch-words\n")
	for _, word := range words {
		text.WriteString(word + "\n")
	}
	if err := os.WriteFile(filepath.Join(vocabularyDir, f.file), text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// fetch returns a module's name with its version and where its source is. It
// downloads the module unless the cache has it.
func fetch(t *testing.T, module string) (string, string) {
	t.Helper()
	if module == "std" {
		return runtime.Version(), filepath.Join(strings.TrimSpace(goTool(t, "env", "GOROOT")), "src")
	}
	if !strings.Contains(module, "@") {
		module += "@" + strings.TrimSpace(goTool(t, "list", "-m", "-f", "{{.Version}}", module))
	}
	var answer struct{ Dir string }
	if err := json.Unmarshal([]byte(goTool(t, "mod", "download", "-json", module)), &answer); err != nil {
		t.Fatalf("download %s: %v", module, err)
	}
	return module, answer.Dir
}

func goTool(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	return string(output)
}

// outside are directories whose names no program imports, or whose names are
// numbers of a system.
var outside = regexp.MustCompile(`^(testdata|internal|vendor|cmd|examples?|_.*|\..*|syscall|unicode|test|tests|testing|applyconfigurations|fake|website|docs)$`)

// countWords counts in how many exported names below a directory each word is,
// or, of prose, in how many packages.
func countWords(dir string, f field, counts map[string]int) error {
	seen := map[string]bool{} // names, or packages and words
	return filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			name := entry.Name()
			if file != dir && outside.MatchString(name) && (name != "internal" || !f.internal) {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil //nolint:nilerr // a file of templates is no Go
		}
		if f.prose {
			countProse(syntax, filepath.Dir(file), seen, counts)
			return nil
		}
		countNames(syntax, seen, counts)
		return nil
	})
}

func countNames(syntax *ast.File, seen map[string]bool, counts map[string]int) {
	count := func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		for _, word := range splitName(name) {
			counts[word]++
		}
	}
	count(syntax.Name.Name)
	for _, name := range exported(syntax) {
		count(name)
	}
}

// exported returns the exported names that a file declares: functions, methods,
// types with their fields and methods, constants, variables.
func exported(syntax *ast.File) []string {
	var names []string
	add := func(idents ...*ast.Ident) {
		for _, ident := range idents {
			if ident.IsExported() {
				names = append(names, ident.Name)
			}
		}
	}
	for _, decl := range syntax.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			add(d.Name)
		case *ast.GenDecl:
			ast.Inspect(d, func(node ast.Node) bool {
				switch n := node.(type) {
				case *ast.TypeSpec:
					add(n.Name)
				case *ast.ValueSpec:
					add(n.Names...)
				case *ast.Field:
					add(n.Names...)
				case *ast.FuncLit:
					return false
				}
				return true
			})
		}
	}
	return names
}

func countProse(syntax *ast.File, dir string, seen map[string]bool, counts map[string]int) {
	for _, group := range syntax.Comments {
		for _, word := range splitText(group.Text()) {
			if key := dir + " " + word; !seen[key] {
				seen[key] = true
				counts[word]++
			}
		}
	}
}
