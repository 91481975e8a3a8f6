package corpus

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/trust/lint"
)

// ruleCount counts the cases of a rule: those with the rule in their label, and of all cases
// those in which the rule is missed, and those in which it is found although it should not.
type ruleCount struct{ cases, missed, wrong int }

func (s ruleCount) found() int { return s.cases - s.missed }

// recall is the share of the cases with the rule in which it is found, precision the share
// of the cases in which it is found that should have it.
func (s ruleCount) recall() string    { return percent(s.found(), s.cases) }
func (s ruleCount) precision() string { return percent(s.found(), s.found()+s.wrong) }

func percent(part, whole int) string {
	if whole == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f %%", 100*float64(part)/float64(whole))
}

// countRules counts outcomes by rule.
func countRules(outcomes []outcome) map[string]*ruleCount {
	all := map[string]*ruleCount{}
	for _, r := range lint.Rules() {
		all[r.ID] = &ruleCount{}
	}
	for _, o := range outcomes {
		for _, rule := range o.finds {
			all[rule].cases++
		}
		for _, rule := range o.missed {
			all[rule].missed++
		}
		for _, rule := range o.wrong {
			all[rule].wrong++
		}
	}
	return all
}

// tables returns the text of testdata/table.md.
func tables(t *testing.T, outcomes []outcome, known int) string {
	t.Helper()
	var b strings.Builder
	clean, correct := 0, 0
	for _, o := range outcomes {
		if len(o.finds) > 0 {
			continue
		}
		if clean++; len(o.wrong) == 0 {
			correct++
		}
	}
	b.WriteString("# Corpus of trust lint\n\n" +
		"A test writes this page: `go test ./internal/trust/corpus -update`.\n\n")
	fmt.Fprintf(&b, "%d cases, %d of them without a mistake: %d of these have no finding. Known gaps: %d.\n\n", len(outcomes), clean, correct, known)
	b.WriteString("## By rule\n\n| Rule | Finds | Cases | Recall | Precision |\n|---|---|--:|--:|--:|\n")
	all := countRules(outcomes)
	var sum ruleCount
	for _, r := range lint.Rules() {
		s := all[r.ID]
		sum.cases, sum.missed, sum.wrong = sum.cases+s.cases, sum.missed+s.missed, sum.wrong+s.wrong
		fmt.Fprintf(&b, "| %s | %s | %d | %s | %s |\n", r.ID, r.Title, s.cases, s.recall(), s.precision())
	}
	fmt.Fprintf(&b, "| all | | %d | %s | %s |\n\n", sum.cases, sum.recall(), sum.precision())
	b.WriteString("## By input\n\n| Input | Cases | Without a mistake |\n|---|--:|--:|\n")
	for _, source := range sources(outcomes) {
		count, without := 0, 0
		for _, o := range outcomes {
			if o.source != source {
				continue
			}
			if count++; len(o.finds) == 0 {
				without++
			}
		}
		fmt.Fprintf(&b, "| %s | %d | %d |\n", source, count, without)
	}
	b.WriteString("\n" + checkovTable(t, outcomes))
	return b.String()
}

// sources returns the files of testdata, in order.
func sources(outcomes []outcome) []string {
	var all []string
	for _, o := range outcomes {
		if !slices.Contains(all, o.source) {
			all = append(all, o.source)
		}
	}
	return all
}
