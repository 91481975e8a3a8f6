package plan_test

import (
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// explanations are sentences of the package comment that are no rules of their
// own, with the reason.
func explanations() map[string]string {
	const structure = "it is structure, and no rule for a plan: "
	return map[string]string{
		"Compare makes a plan in four passes.": structure + "every other rule is demanded of all four together",
		"Each is a function from values to values, and none changes what another one returned: normalise  Input to facts: " +
			"everything in one order, whose each observed object is, and which observed group each desired one is.": structure +
			"TestMakeLeavesInputAlone and TestMakeIgnoresOrder demand it",
		"A group is known by the project role that it grants; its name is an attribute. compare    facts to diff: all that differs, " +
			"as if nobody had to agree to it. evaluate      diff to verdicts: which removals wait for an approval. order      verdicts to " +
			"Plan: steps, each with the steps that it needs and why.": structure + "the other sections have the rules",
		"A limit beyond the plan (Comparison.Closed) repeats the last two only.": structure + "TestTakesEverybodyWhoLeaves compares the result with a plan that is made again",
		"What a plan should know and does not is in Comparison.Unknowns: the caller finds the answers and compares once more.": structure +
			"the caller asks, and the answers are part of the input",
		"Where each subject of a role has a binding of its own (Rules.Separate), one binding is about one user, and a role's set is what is managed of it:": "it introduces a table",
		"For a moment they are in both.": "it follows from the order of a move",
		"So no user is without a role in between who has one before and after; but for mode strict.":            "it follows; TestNobodyIsWithoutARoleInBetween demands it",
		"Execution follows the steps of a plan, and Plan.Parts makes a refused step smaller.":                   "it names what executes a plan; TestParts_TogetherDoWhatTheWholeDoes demands it",
		"Mode strict may lose an approved one, and users who are kept, if a run ends between Remove and Build.": "it is about a run that ends early",
	}
}

// packageRules is what the package comment says: the prose of each section, and
// the cells of its tables.
type packageRules struct {
	prose map[string]string
	cells map[string]string // by "row: column"; the row has its key cells
}

// TestEveryRuleHasAnInversion reads the package comment: each word of a table's
// cell, and each sentence, is quoted by an inversion.
func TestEveryRuleHasAnInversion(t *testing.T) {
	rules := readRules(t)
	quotes := map[string][]string{}
	for _, inv := range inversions() {
		text, ok := rules.cells[inv.rule]
		if !ok {
			text = rules.prose[inv.rule]
		}
		if !strings.Contains(text, inv.says) {
			t.Errorf("%s does not say %q (any more): quote the package comment", inv.rule, inv.says)
		}
		quotes[inv.rule] = append(quotes[inv.rule], inv.says)
	}
	for row, cell := range rules.cells {
		if rest := unquoted(cell, quotes[row]); rest != "" {
			t.Errorf("%s: no inversion quotes %q: add one to inversions", row, rest)
		}
	}
	for section, prose := range rules.prose {
		for _, sentence := range sentences(prose) {
			_, explained := explanations()[sentence]
			if !explained && !slices.ContainsFunc(quotes[section], func(q string) bool { return strings.Contains(sentence, q) }) {
				t.Errorf("%s: no inversion quotes the sentence %q: add one to inversions, or to explanations", section, sentence)
			}
		}
	}
	for sentence := range explanations() {
		if !strings.Contains(strings.Join(slices.Collect(maps.Values(rules.prose)), " "), sentence) {
			t.Errorf("the package comment does not say %q any more: remove it from explanations", sentence)
		}
	}
	if len(rules.cells) < 20 {
		t.Errorf("only %d cells were read from the tables", len(rules.cells))
	}
}

// unquoted returns what of the text no quote covers, but for punctuation.
func unquoted(text string, quotes []string) string {
	rest := []byte(text)
	for _, q := range quotes {
		for at := 0; ; {
			i := strings.Index(text[at:], q)
			if i < 0 {
				break
			}
			copy(rest[at+i:], strings.Repeat(" ", len(q)))
			at += i + len(q)
		}
	}
	return strings.Trim(string(rest), " ,;:")
}

var sentenceEnd = regexp.MustCompile(`[.:]\s+[A-Z]`)

// sentences splits prose; a colon ends a sentence before a capital letter.
func sentences(prose string) []string {
	var all []string
	for prose != "" {
		end := len(prose)
		if at := sentenceEnd.FindStringIndex(prose); at != nil {
			end = at[0] + 1
		}
		all = append(all, strings.TrimSpace(prose[:end]))
		prose = strings.TrimSpace(prose[end:])
	}
	return all
}

func readRules(t *testing.T) packageRules {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	rules := packageRules{prose: map[string]string{}, cells: map[string]string{}}
	section, header, row := "", []string(nil), ""
	for line := range strings.Lines(file.Doc.Text()) {
		line = strings.TrimRight(line, "\n")
		switch heading, isHeading := strings.CutPrefix(line, "# "); {
		case isHeading:
			section = heading
		case strings.Contains(line, "┼"):
		case strings.Contains(line, "│"):
			cells := strings.Split(strings.TrimSpace(line), "│")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			if strings.HasPrefix(line, "\t│") || cells[0] == "" && header != nil {
				rules.addCells(row, header, cells)
				continue
			}
			if header == nil {
				header = cells
				continue
			}
			row = strings.Join(cells[:keyColumns(header)], "/")
			rules.addCells(row, header, cells)
		default:
			header = nil
			if section != "" {
				rules.prose[section] = strings.TrimSpace(rules.prose[section] + " " + strings.TrimSpace(line))
			}
		}
	}
	return rules
}

// keyColumns is how many columns name the row.
func keyColumns(header []string) int {
	if i := slices.Index(header, "whose"); i >= 0 {
		return i + 1
	}
	return 1
}

func (r packageRules) addCells(row string, header, cells []string) {
	for i := keyColumns(header); i < len(header); i++ {
		key := row + ": " + header[i]
		r.cells[key] = strings.TrimSpace(r.cells[key] + " " + cells[i])
	}
}
