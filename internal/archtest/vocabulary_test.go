package archtest

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	raise = flag.Bool("raise", false, "with -update: accept higher figures, too; for a merge, or a package with a new name")
	most  = flag.Int("most", 0, "log that many of the most frequent retired words, with their packages")
)

// lowerCommand is how the baseline follows the code.
const lowerCommand = "go test ./internal/archtest -run Vocabulary -update"

// TestVocabulary compares the words that names and CLI texts use with the lists
// in testdata/vocabulary. The uses of older code are counted in
// baseline.txt, whose figures only fall.
func TestVocabulary(t *testing.T) {
	found := findings(t)
	now := countFindings(found)
	if *most > 0 {
		t.Log(topRetired(found, *most))
	}
	file := filepath.Join(vocabularyDir, "baseline.txt")
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	next, rises, err := nextBaseline(string(text), now, *update, *raise)
	if err != nil {
		t.Fatalf("baseline.txt: %v", err)
	}
	for _, r := range rises {
		t.Error(r.message(found))
	}
	if next != string(text) {
		if err := os.WriteFile(file, []byte(next), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// nextBaseline returns the baseline's text after a run, and the figures that
// are higher than before. Only an update changes the text, and only one that may raise figures writes
// higher ones, or over a text that it cannot read. It is an error that the text
// is not the one of the code's figures.
func nextBaseline(text string, now counts, update, raise bool) (string, []rise, error) {
	if update && raise {
		return now.String(), nil, nil
	}
	before, err := parseBaseline(text)
	if err != nil {
		return text, nil, fmt.Errorf("%w: after a merge run %s -raise", err, lowerCommand)
	}
	if rises := compareCounts(before, now); len(rises) > 0 {
		return text, rises, nil
	}
	if next := now.String(); update || next == text {
		return next, nil, nil
	}
	return text, nil, fmt.Errorf("its figures are higher than the code's: run %s", lowerCommand)
}

// findings returns every wrong word in the repository.
func findings(t *testing.T) []finding {
	t.Helper()
	v := readVocabulary(t)
	var all []finding
	for _, u := range distinct(usesOf(t)) {
		all = append(all, v.check(u)...)
	}
	return all
}

// figure says which number of the baseline a finding counts in.
type figure struct {
	unit    string
	retired bool
	word    string
}

// list is the name of the figure's list in the baseline.
func (f figure) list() string {
	if f.retired {
		return "retired"
	}
	return "unlisted"
}

// counts are the figures of the baseline.
type counts map[figure]int

func countFindings(found []finding) counts {
	c := counts{}
	for _, f := range found {
		c[f.figure()]++
	}
	return c
}

func (f finding) figure() figure { return figure{f.use.unit, f.retired, f.word} }

const baselineHead = `# How often the names and CLI texts of each package use retired words, and words
# that are in no list. The figures may only fall. A package without a line has none.
# Written by: ` + lowerCommand + `
# After a merge: the same with -raise
`

// String returns the text of baseline.txt: a line with the totals, then for each
// package and list one line.
func (c counts) String() string {
	total := map[bool]int{}
	lines := map[string][]string{}
	for _, f := range slices.SortedFunc(maps.Keys(c), compareFigures) {
		total[f.retired] += c[f]
		head := f.unit + " | " + f.list() + " | "
		lines[head] = append(lines[head], f.word+" "+strconv.Itoa(c[f]))
	}
	var text strings.Builder
	text.WriteString(baselineHead)
	fmt.Fprintf(&text, "total: %d retired, %d unlisted\n", total[true], total[false])
	for _, head := range slices.Sorted(maps.Keys(lines)) {
		text.WriteString(head + strings.Join(lines[head], ", ") + "\n")
	}
	return text.String()
}

func compareFigures(a, b figure) int {
	return cmp.Or(cmp.Compare(a.unit, b.unit), cmp.Compare(a.list(), b.list()), cmp.Compare(a.word, b.word))
}

// parseBaseline reads the text that String writes.
func parseBaseline(text string) (counts, error) {
	c := counts{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "total: ") {
			continue
		}
		columns := strings.Split(line, " | ")
		if len(columns) != 3 || columns[1] != "retired" && columns[1] != "unlisted" {
			return nil, fmt.Errorf("%q is no line of the form \"package | retired | word 1, word 2\"", line)
		}
		for entry := range strings.SplitSeq(columns[2], ", ") {
			at := strings.LastIndex(entry, " ")
			n, err := strconv.Atoi(entry[at+1:])
			if at < 0 || err != nil {
				return nil, fmt.Errorf("%q is no word with its number", entry)
			}
			c[figure{columns[0], columns[1] == "retired", entry[:at]}] = n
		}
	}
	return c, nil
}

// rise is a figure that is higher than the baseline.
type rise struct {
	figure
	before, now int
}

func compareCounts(before, now counts) []rise {
	var rises []rise
	for _, f := range slices.SortedFunc(maps.Keys(now), compareFigures) {
		if now[f] > before[f] {
			rises = append(rises, rise{f, before[f], now[f]})
		}
	}
	return rises
}

// message lists up to eight uses of the word and the term to use instead. The
// baseline does not know which of the uses is new.
func (r rise) message(found []finding) string {
	var text strings.Builder
	replacement := ""
	printed := 0
	for _, f := range found {
		if f.figure() != r.figure {
			continue
		}
		replacement = f.replacement
		if printed++; printed <= 8 {
			fmt.Fprintf(&text, "\n\t%s: %s %q", f.use.at, f.use.kind, f.use.text)
		}
	}
	if r.retired {
		return fmt.Sprintf("%s: %q is retired and used by %d names or texts, %d before: use %s%s",
			r.unit, r.word, r.now, r.before, replacement, text.String())
	}
	return fmt.Sprintf("%s: %q is in no list and used by %d names or texts, %d before: use the field's word, "+
		"or add a line with its meaning to internal/archtest/%s/glossary.txt%s",
		r.unit, r.word, r.now, r.before, vocabularyDir, text.String())
}

// topRetired returns a table of the retired words that are used most.
func topRetired(found []finding, n int) string {
	totals := map[string]int{}
	units := map[string]map[string]int{}
	for _, f := range found {
		if !f.retired {
			continue
		}
		totals[f.word]++
		if units[f.word] == nil {
			units[f.word] = map[string]int{}
		}
		units[f.word][f.use.dir()]++
	}
	byNumber := func(numbers map[string]int) []string {
		return slices.SortedFunc(maps.Keys(numbers), func(a, b string) int {
			return cmp.Or(cmp.Compare(numbers[b], numbers[a]), cmp.Compare(a, b))
		})
	}
	var text strings.Builder
	words := byNumber(totals)
	for _, word := range words[:min(n, len(words))] {
		var dirs []string
		for _, unit := range byNumber(units[word]) {
			dirs = append(dirs, fmt.Sprintf("%s %d", strings.TrimPrefix(unit, "internal/"), units[word][unit]))
		}
		fmt.Fprintf(&text, "\n%4d %-14s %s", totals[word], word, strings.Join(dirs, ", "))
	}
	return text.String()
}
