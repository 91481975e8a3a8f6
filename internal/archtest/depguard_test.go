package archtest

import (
	"cmp"
	"errors"
	"fmt"
	"go/build"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// importTable is the table of imports in .golangci.yml, read as depguard and
// golangci-lint read it.
type importTable struct {
	lists []importList
	// exclusions match the messages that golangci-lint drops.
	exclusions []*regexp.Regexp
}

// importList is one rule of depguard.
type importList struct {
	name            string
	reason          string // the comment on the rule
	strict          bool   // what is not allowed is denied
	files, notFiles []*regexp.Regexp
	allow, deny     []string // sorted
	reasons         map[string]string
}

// readImportTable returns the table of imports.
func readImportTable(t *testing.T) importTable {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(moduleRoot(t), ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	table, err := parseImportTable(text)
	if err != nil {
		t.Fatalf(".golangci.yml: %v", err)
	}
	return table
}

func parseImportTable(text []byte) (importTable, error) {
	var config struct {
		Linters struct {
			Settings struct {
				Depguard struct{ Rules yaml.Node }
			}
			Exclusions struct{ Rules []exclusion }
		}
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		return importTable{}, err
	}
	var table importTable
	for _, e := range config.Linters.Exclusions.Rules {
		if !slices.Contains(e.Linters, "depguard") {
			continue
		}
		message, err := e.message()
		if err != nil {
			return importTable{}, err
		}
		table.exclusions = append(table.exclusions, message)
	}
	rules := config.Linters.Settings.Depguard.Rules.Content
	for i := 0; i+1 < len(rules); i += 2 {
		list, err := parseImportList(rules[i], rules[i+1])
		if err != nil {
			return importTable{}, fmt.Errorf("line %d: rule %s: %w", rules[i].Line, rules[i].Value, err)
		}
		table.lists = append(table.lists, list)
	}
	if len(table.lists) == 0 {
		return importTable{}, errors.New("there is no rule of depguard")
	}
	return table, nil
}

// exclusion is a rule for findings that golangci-lint drops.
type exclusion struct {
	Linters []string
	Text    string
	Others  map[string]any `yaml:",inline"`
}

// message returns the pattern of the messages that an exclusion of depguard
// drops. Other conditions are an error: nothing here checks them.
func (e exclusion) message() (*regexp.Regexp, error) {
	if e.Text == "" || len(e.Others) > 0 {
		return nil, errors.New("an exclusion for depguard has a text and nothing else")
	}
	return regexp.Compile(e.Text)
}

func parseImportList(key, value *yaml.Node) (importList, error) {
	var rule struct {
		ListMode string `yaml:"list-mode"`
		Files    []string
		Allow    []string
		Deny     []struct{ Pkg, Desc string }
	}
	if err := value.Decode(&rule); err != nil {
		return importList{}, err
	}
	if rule.ListMode != "strict" && rule.ListMode != "lax" {
		return importList{}, fmt.Errorf("list-mode is %q, not strict or lax", rule.ListMode)
	}
	list := importList{
		name:    key.Value,
		reason:  strings.Join(strings.Fields(strings.ReplaceAll(key.HeadComment, "#", "")), " "),
		strict:  rule.ListMode == "strict",
		reasons: map[string]string{},
	}
	if list.strict && list.reason == "" {
		return importList{}, errors.New("it has no comment that gives its reason")
	}
	for _, pattern := range rule.Files {
		pattern, not := strings.CutPrefix(pattern, "!")
		files, err := fileGlob(pattern)
		if err != nil {
			return importList{}, err
		}
		if not {
			list.notFiles = append(list.notFiles, files)
		} else {
			list.files = append(list.files, files)
		}
	}
	var err error
	if list.allow, err = expandStd(rule.Allow); err != nil {
		return importList{}, err
	}
	for _, d := range rule.Deny {
		if d.Desc == "" {
			return importList{}, fmt.Errorf("%s has no desc that gives its reason", d.Pkg)
		}
		list.deny = append(list.deny, d.Pkg)
		list.reasons[d.Pkg] = d.Desc
	}
	slices.Sort(list.deny)
	return list, nil
}

// fileGlob compiles a pattern of depguard for names of files: "**" stands for any
// text, "*" for any text without a slash.
func fileGlob(pattern string) (*regexp.Regexp, error) {
	switch pattern {
	case "$all":
		pattern = "**/*.go"
	case "$test":
		pattern = "**/*_test.go"
	}
	if strings.ContainsAny(pattern, `?[]{}\$`) {
		return nil, fmt.Errorf("pattern %s has more than * and **", pattern)
	}
	quoted := regexp.QuoteMeta(pattern)
	return regexp.Compile("^" + strings.NewReplacer(`\*\*`, ".*", `\*`, "[^/]*").Replace(quoted) + "$")
}

// expandStd returns the entries in order, with the directories of the
// standard library for $gostd.
func expandStd(entries []string) ([]string, error) {
	var all []string
	for _, entry := range entries {
		if entry != "$gostd" {
			all = append(all, entry)
			continue
		}
		found, err := os.ReadDir(filepath.Join(build.Default.GOROOT, "src"))
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			if f.IsDir() {
				all = append(all, f.Name())
			}
		}
	}
	slices.Sort(all)
	return all, nil
}

// named reports whether a strict rule says what a file may import.
func (table importTable) named(file string) bool {
	return slices.ContainsFunc(table.lists, func(l importList) bool { return l.strict && l.matches(file) })
}

// refusals returns a message for each rule that refuses an import of a file.
func (table importTable) refusals(file, imported string) []string {
	var all []string
	for _, list := range table.lists {
		if !list.matches(file) {
			continue
		}
		ok, reason := list.allows(imported)
		message := fmt.Sprintf("import '%s' is not allowed from list '%s'", imported, list.name)
		if reason != "" {
			message += ": " + reason
		}
		if ok || slices.ContainsFunc(table.exclusions, func(e *regexp.Regexp) bool { return e.MatchString(message) }) {
			continue
		}
		if reason == "" {
			message += ": " + list.reason
		}
		all = append(all, message)
	}
	return all
}

// matches reports whether a rule is for a file. Depguard compares absolute
// names, so every pattern starts with "**/".
func (l importList) matches(file string) bool {
	matchesFile := func(globs []*regexp.Regexp) bool {
		return slices.ContainsFunc(globs, func(g *regexp.Regexp) bool { return g.MatchString("/" + file) })
	}
	return (len(l.files) == 0 || matchesFile(l.files)) && !matchesFile(l.notFiles)
}

// allows reports whether a rule allows an import, and the reason why a denied
// package is denied.
func (l importList) allows(imported string) (bool, string) {
	allowing, allowed := entryOf(l.allow, imported)
	denying, denied := entryOf(l.deny, imported)
	longer := allowed && len(allowing) > len(denying)
	ok := !denied || longer
	if l.strict {
		ok = allowed && (!denied || longer)
	}
	if ok || !denied {
		return ok, ""
	}
	return false, l.reasons[denying]
}

// entryOf returns the entry of a sorted list that decides about an import, and
// whether the import matches it. Like depguard it looks at one entry only, the
// last that is not greater than the import.
func entryOf(sorted []string, imported string) (string, bool) {
	after := sort.Search(len(sorted), func(i int) bool { return strings.TrimRight(sorted[i], "$") > imported })
	if after == 0 {
		return "", false
	}
	entry := sorted[after-1]
	if path, exact := strings.CutSuffix(entry, "$"); exact {
		return entry, imported == path
	}
	if !strings.ContainsAny(entry, "./") && strings.Contains(imported, ".") {
		return entry, false // a directory of the standard library, and a module
	}
	return entry, strings.HasPrefix(imported, entry)
}

// TestDepguard_Semantics compares with what depguard v2.2.1 answers.
func TestDepguard_Semantics(t *testing.T) {
	const text = `
linters:
  settings:
    depguard:
      rules:
        # Nothing else.
        strict: {list-mode: strict, files: ["**/a/*.go", "!**/a/b.go", "!$test"], allow: [$gostd, x.org/p$, x.org/q, x.org/q/r], deny: [{pkg: net, desc: no network}]}
        lax: {list-mode: lax, files: ["**/c/**"], allow: [x.org/p/q], deny: [{pkg: x.org/p, desc: not here}]}
  exclusions:
    rules:
      - linters: [depguard]
        text: ^import 'x\.org/.*/rules' is not allowed from list 'strict'$
      - linters: [funlen]
        path: a
`
	table, err := parseImportTable([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	const refused = "import '%s' is not allowed from list '%s': %s"
	cases := map[string]struct {
		reason   string
		file     string
		imported string
		want     string
	}{
		"Standard":      {reason: "$gostd is every package of Go", file: "a/x.go", imported: "encoding/json"},
		"Denied":        {reason: "a longer entry wins, and these are equal", file: "a/x.go", imported: "net/http", want: "no network"},
		"LikeStandard":  {reason: "go is no prefix of go.org", file: "a/x.go", imported: "go.org/p", want: "Nothing else."},
		"Exact":         {reason: "$ ends a path", file: "a/x.go", imported: "x.org/p"},
		"BelowExact":    {reason: "$ ends a path", file: "a/x.go", imported: "x.org/p/q", want: "Nothing else."},
		"Prefix":        {reason: "without $ an entry is a prefix", file: "a/x.go", imported: "x.org/q/a"},
		"HiddenPrefix":  {reason: "only the last entry counts", file: "a/x.go", imported: "x.org/q/s", want: "Nothing else."},
		"Excluded":      {reason: "golangci-lint drops the finding", file: "a/x.go", imported: "x.org/z/rules"},
		"Test":          {reason: "the files of a rule leave tests out", file: "a/x_test.go", imported: "x.org/z"},
		"NotTheFile":    {reason: "! leaves files out", file: "a/b.go", imported: "x.org/z"},
		"OneElement":    {reason: "* has no slash", file: "a/b/x.go", imported: "x.org/z"},
		"AnyElements":   {reason: "** has slashes", file: "c/d/e/x.go", imported: "x.org/p/r", want: "not here"},
		"LaxAllowsMore": {reason: "the longer entry allows it", file: "c/x.go", imported: "x.org/p/q"},
		"LaxAllows":     {reason: "a lax rule allows the rest", file: "c/x.go", imported: "x.org/z"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			want := ""
			if tc.want != "" {
				list := "strict"
				if strings.HasPrefix(tc.file, "c/") {
					list = "lax"
				}
				want = fmt.Sprintf(refused, tc.imported, list, tc.want)
			}
			if got := cmp.Or(append(table.refusals(tc.file, tc.imported), "")...); got != want {
				t.Errorf("%s imports %s: %q, want %q: %s", tc.file, tc.imported, got, want, tc.reason)
			}
		})
	}
}
