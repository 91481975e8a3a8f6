// Package corpus measures trust lint on labelled cases. A base is one or several files with
// trusts in which nothing is wrong. A case changes a base, and its label has the rules that
// should find the change; a case without a label is as good as its base.
//
// A label follows from the tokens that a cloud accepts, which its reason says. It does not
// follow from what the linter prints: a case that the linter decides otherwise stays as it
// is, and testdata/known.yaml names it until the linter is right.
//
// The bases and cases are in testdata/*.yaml, and the result in testdata/table.md. Parts of
// a base, such as @condition@, are texts that a case may set.
//
//	go test ./internal/trust/corpus -update
package corpus

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/rollcall-iam/rollcall/internal/trust"
	"github.com/rollcall-iam/rollcall/internal/trust/lint"
)

var update = flag.Bool("update", false, "write testdata/table.md instead of comparing with it")

// base is one or several files in which nothing is wrong.
type base struct {
	Name   string
	Reason string
	// Parts are texts by name. A file has them between at signs, and a case may set them.
	Parts map[string]string
	Files map[string]string
	Cases []mutation
	// source is the file of testdata.
	source string
}

// mutation changes a base.
type mutation struct {
	Name   string
	Reason string
	// Set sets parts. Repeat sets them to a text several times, with the number for #.
	Set    map[string]string
	Repeat map[string]struct {
		Times int
		Text  string
	}
	// Edits replace texts that are there once. Add adds files.
	Edits []struct{ Old, New string }
	Add   map[string]string
	// Finds are the rules that should have a finding. Also are rules that may have one:
	// they say the same mistake in another way.
	Finds []string
	Also  []string
}

// labelled is a case with its files.
type labelled struct {
	name, source string
	files        []lint.File
	finds, also  []string
}

// gap is a case that the linter does not decide as its label says.
type gap struct {
	Case   string
	Missed []string
	Wrong  []string
	Reason string
}

// outcome is what the linter finds in a case, compared with the label.
type outcome struct {
	labelled

	missed, wrong []string
	findings      []trust.Finding
}

func TestCorpus_LintAgreesWithLabels(t *testing.T) {
	t.Parallel()
	cases, known := readCases(t), readGaps(t)
	for name := range known {
		if !slices.ContainsFunc(cases, func(c labelled) bool { return c.name == name }) {
			t.Errorf("known.yaml: there is no case %s", name)
		}
	}
	outcomes := make([]outcome, len(cases))
	t.Run("cases", func(t *testing.T) {
		t.Parallel()
		for i, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				outcomes[i] = lintCase(t, c)
				outcomes[i].check(t, known[c.name])
			})
		}
	})
	t.Cleanup(func() {
		if t.Failed() && !*update {
			return
		}
		compareTable(t, tables(t, outcomes, len(known)))
	})
}

// lintCase lints the files of a case.
func lintCase(t *testing.T, c labelled) outcome {
	t.Helper()
	report, err := lint.Lint(t.Context(), c.files, lint.Options{Now: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC), Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Problems) > 0 {
		t.Errorf("a file cannot be read: %v", report.Problems)
	}
	var found []string
	for _, f := range report.Findings {
		if !slices.Contains(found, f.Rule) {
			found = append(found, f.Rule)
		}
	}
	return outcome{
		labelled: c, missed: without(c.finds, found), wrong: without(found, slices.Concat(c.finds, c.also)), findings: report.Findings,
	}
}

// without returns the sorted items of a list that are not in another.
func without(list, other []string) []string {
	rest := slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
	slices.Sort(rest)
	return rest
}

// check fails if the linter decides otherwise than the label, or as a gap does not say.
func (o outcome) check(t *testing.T, known gap) {
	t.Helper()
	if !slices.Equal(o.missed, known.Missed) || !slices.Equal(o.wrong, known.Wrong) {
		t.Errorf("label %v: missed %v and wrong %v; testdata/known.yaml has missed %v and wrong %v", o.finds, o.missed, o.wrong, known.Missed, known.Wrong)
		for _, f := range o.findings {
			t.Logf("%s:%d: %s: %s", f.File, f.Line, f.Rule, f.Message)
		}
		for _, f := range o.files {
			t.Logf("%s:\n%s", f.Name, f.Text)
		}
	}
}

func TestCorpus_CoversRules(t *testing.T) {
	t.Parallel()
	cases := readCases(t)
	positive, negative := map[string]int{}, 0
	for _, c := range cases {
		for _, rule := range c.finds {
			positive[rule]++
		}
		if len(c.finds) == 0 {
			negative++
		}
	}
	for _, rule := range lint.Rules() {
		if positive[rule.ID] < 2 {
			t.Errorf("rule %s has %d cases, want 2", rule.ID, positive[rule.ID])
		}
	}
	if len(cases) < 200 || negative < 80 {
		t.Errorf("%d cases, %d of them without a mistake; want 200 and 80", len(cases), negative)
	}
}

func compareTable(t *testing.T, want string) {
	t.Helper()
	file := filepath.Join("testdata", "table.md")
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Error(err)
		}
		return
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(want, string(have)); diff != "" {
		t.Errorf("%s is stale: run go test ./internal/trust/corpus -update (-want +got):\n%s", file, diff)
	}
}

// readCases returns the bases and cases of testdata, in order.
func readCases(t *testing.T) []labelled {
	t.Helper()
	var all []labelled
	for _, b := range readBases(t) {
		all = append(all, b.labelled(t, mutation{Name: "base", Reason: b.Reason}))
		for _, m := range b.Cases {
			all = append(all, b.labelled(t, m))
		}
	}
	checkNames(t, all)
	return all
}

// checkNames fails for a name that is there twice, and for a rule that is not there.
func checkNames(t *testing.T, cases []labelled) {
	t.Helper()
	rules, names := map[string]bool{}, map[string]bool{}
	for _, r := range lint.Rules() {
		rules[r.ID] = true
	}
	for _, c := range cases {
		if names[c.name] {
			t.Errorf("%s is there twice", c.name)
		}
		names[c.name] = true
		for _, rule := range slices.Concat(c.finds, c.also) {
			if !rules[rule] {
				t.Errorf("%s: there is no rule %s", c.name, rule)
			}
		}
	}
}

// noCases are files of testdata with other content.
func noCases(name string) bool { return name == "known.yaml" || name == "checkov.yaml" }

func readBases(t *testing.T) []*base {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var bases []*base
	for _, file := range files {
		if noCases(filepath.Base(file)) {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		decoder := yaml.NewDecoder(bytes.NewReader(text))
		decoder.KnownFields(true)
		for {
			b := &base{source: strings.TrimSuffix(filepath.Base(file), ".yaml")}
			if err := decoder.Decode(b); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			bases = append(bases, b)
		}
	}
	return bases
}

// readGaps returns the known gaps by case.
func readGaps(t *testing.T) map[string]gap {
	t.Helper()
	var list []gap
	text, err := os.ReadFile(filepath.Join("testdata", "known.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	known := map[string]gap{}
	for _, g := range list {
		if g.Reason == "" || len(g.Missed)+len(g.Wrong) == 0 {
			t.Errorf("known.yaml: %s has no reason, or nothing missed and nothing wrong", g.Case)
		}
		slices.Sort(g.Missed)
		slices.Sort(g.Wrong)
		known[g.Case] = g
	}
	return known
}

// labelled returns a case of the base with its files.
func (b *base) labelled(t *testing.T, m mutation) labelled {
	t.Helper()
	c := labelled{name: b.Name + "/" + m.Name, source: b.source, finds: m.Finds, also: m.Also}
	if !strings.HasSuffix(m.Reason, ".") {
		t.Errorf("%s has no sentence as its reason", c.name)
	}
	files := maps.Clone(b.Files)
	for _, e := range m.Edits {
		edit(t, c.name, files, e.Old, e.New)
	}
	maps.Copy(files, m.Add)
	parts := b.parts(t, m)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		c.files = append(c.files, lint.File{Name: name, Text: []byte(render(t, c.name, files[name], parts)), Named: true})
	}
	return c
}

// edit replaces a text that one of the files has once.
func edit(t *testing.T, of string, files map[string]string, before, after string) {
	t.Helper()
	found := 0
	for name, text := range files {
		if n := strings.Count(text, before); n > 0 {
			found += n
			files[name] = strings.ReplaceAll(text, before, after)
		}
	}
	if found != 1 {
		t.Errorf("%s: the files have %q %d times, want once", of, before, found)
	}
}

// parts returns the parts of a case.
func (b *base) parts(t *testing.T, m mutation) map[string]string {
	t.Helper()
	parts := keyTexts()
	maps.Copy(parts, b.Parts)
	set := func(name, text string) {
		if _, ok := b.Parts[name]; !ok {
			t.Errorf("%s/%s sets %s, which is no part of the base", b.Name, m.Name, name)
		}
		parts[name] = text
	}
	for name, r := range m.Repeat {
		var text strings.Builder
		for i := range r.Times {
			text.WriteString(strings.ReplaceAll(r.Text, "#", strconv.Itoa(i+1)))
		}
		set(name, text.String())
	}
	for name, text := range m.Set {
		set(name, text)
	}
	return parts
}

// keyTexts are texts that have the form of keys and open nothing. They are put together
// here, so that scanners of the repository do not take them for keys.
func keyTexts() map[string]string {
	return map[string]string{
		"aws-id":       "AKIA" + "Z7QWERTYUIOPASDF",
		"aws-secret":   "q8Zr1TtYbN" + "c4Xv7LmPk2" + "Hs9Gd3Fj5W" + "a6Eu0RiOzQ",
		"azure-secret": "abc" + "8Q~" + "dEfGhIjKlMnOpQrStUvWxYz0123456789a",
		"google-key": `{"type": "service_account", "project_id": "acme-prod", "private_key": "-----BEGIN ` +
			`PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END ` + `PRIVATE KEY-----\n"}`,
	}
}

// part matches the name of a part in a text.
var part = regexp.MustCompile(`@([a-z][a-z-]*)@`)

// render replaces the parts in a text, also those in parts.
func render(t *testing.T, of, text string, parts map[string]string) string {
	t.Helper()
	const maxDepth = 8
	for range maxDepth {
		if !part.MatchString(text) {
			return text
		}
		text = part.ReplaceAllStringFunc(text, func(found string) string {
			value, ok := parts[strings.Trim(found, "@")]
			if !ok {
				t.Fatalf("%s: there is no part %s", of, found)
			}
			return value
		})
	}
	t.Fatalf("%s: parts are in a circle", of)
	return ""
}
