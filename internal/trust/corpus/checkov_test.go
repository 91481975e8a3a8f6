package corpus

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// testdata/checkov.yaml has the verdicts of Checkov on the cases of Terraform. Tests do not
// run Checkov. To write the file again, install Checkov with pip, and with a directory DIR:
//
//	go test ./internal/trust/corpus -run TestCheckov -write DIR
//	checkov -d DIR --framework terraform --compact -o json \
//	  -c CKV_AWS_358,CKV_AWS_393,CKV_GCP_118,CKV_GCP_125,CKV_AZURE_249 > REPORT
//	go test ./internal/trust/corpus -run TestCheckov -checkov REPORT
//	go test ./internal/trust/corpus -update
//
// Checkov exits with 1 if a check fails, which is no error here.
var (
	writeCases  = flag.String("write", "", "write the cases of Terraform below this directory, for Checkov")
	readCheckov = flag.String("checkov", "", "write testdata/checkov.yaml from this report of Checkov")
)

// checkov has the verdicts of Checkov.
type checkov struct {
	Version string
	Checks  []string
	// Failed are the checks that fail, by case. Passed are those that pass and do not fail.
	Failed map[string][]string
	Passed map[string][]string
	// Missing are cases that were added after the last run of Checkov. The table leaves them out.
	Missing []string
}

// checkovChecks are the checks of Checkov that are about trusts of workloads.
func checkovChecks() []string {
	return []string{"CKV_AWS_358", "CKV_AWS_393", "CKV_GCP_118", "CKV_GCP_125", "CKV_AZURE_249"}
}

// forCheckov reports whether Checkov has checks for what a case is about.
func forCheckov(c labelled) bool {
	return slices.Contains([]string{"terraform-aws", "terraform-google", "terraform-entra"}, c.source)
}

func TestCheckov_KnowsItsCases(t *testing.T) {
	t.Parallel()
	if *writeCases != "" {
		for _, c := range readCases(t) {
			if forCheckov(c) {
				writeFiles(t, c)
			}
		}
	}
	if *readCheckov != "" {
		writeVerdicts(t)
	}
	cases := map[string]bool{}
	for _, c := range readCases(t) {
		cases[c.name] = forCheckov(c)
	}
	v := readVerdicts(t)
	for name := range cases {
		_, failed := v.Failed[name]
		_, passed := v.Passed[name]
		if cases[name] && v.Version != "" && !failed && !passed {
			t.Logf("%s has no verdict of Checkov", name)
		}
	}
	for name := range v.Failed {
		if !cases[name] {
			t.Errorf("checkov.yaml: there is no case %s", name)
		}
	}
}

func writeFiles(t *testing.T, c labelled) {
	t.Helper()
	for _, f := range c.files {
		file := filepath.Join(*writeCases, filepath.FromSlash(c.name), filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, f.Text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// writeVerdicts writes testdata/checkov.yaml from a report of Checkov.
func writeVerdicts(t *testing.T) {
	t.Helper()
	type record struct {
		Check string `json:"check_id"`
		File  string `json:"file_path"`
	}
	var report struct {
		Results struct {
			Passed []record `json:"passed_checks"`
			Failed []record `json:"failed_checks"`
		}
		Summary struct {
			Version string `json:"checkov_version"`
		}
	}
	text, err := os.ReadFile(*readCheckov)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	v := checkov{Version: report.Summary.Version, Checks: checkovChecks(), Failed: map[string][]string{}, Passed: map[string][]string{}}
	add := func(to map[string][]string, r record) {
		name := strings.Trim(filepath.ToSlash(filepath.Dir(r.File)), "/")
		if !slices.Contains(to[name], r.Check) && !slices.Contains(v.Failed[name], r.Check) {
			to[name] = append(to[name], r.Check)
			slices.Sort(to[name])
		}
	}
	for _, r := range report.Results.Failed {
		add(v.Failed, r)
	}
	for _, r := range report.Results.Passed {
		add(v.Passed, r)
	}
	out, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	head := "# Verdicts of Checkov on the cases of Terraform; see checkov_test.go for how to write them again.\n"
	if err := os.WriteFile(filepath.Join("testdata", "checkov.yaml"), append([]byte(head), out...), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readVerdicts(t *testing.T) checkov {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "checkov.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var v checkov
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// kindOf returns what a label is about, for the comparison.
func kindOf(c labelled) string {
	has := func(rules ...string) bool {
		return slices.ContainsFunc(rules, func(rule string) bool { return slices.Contains(c.finds, rule) })
	}
	switch {
	case len(c.finds) == 0:
		return "no mistake"
	case has("W01", "W02", "W03", "W06", "W07"):
		return "an outsider gets in"
	case has("W04", "W05", "G05", "W13"):
		return "another project or run gets in"
	default:
		return "another mistake"
	}
}

// verdicts counts cases by whether a scanner agrees with the label. It misses a case with a
// mistake in which it finds none, and a false alarm is a finding without a mistake.
type verdicts struct{ matches, misses, falsePositives int }

func (v *verdicts) add(o verdicts) {
	v.matches += o.matches
	v.misses += o.misses
	v.falsePositives += o.falsePositives
}

// verdict returns the verdict on one case.
func verdict(missed, falsePositive bool) verdicts {
	switch {
	case missed:
		return verdicts{misses: 1}
	case falsePositive:
		return verdicts{falsePositives: 1}
	default:
		return verdicts{matches: 1}
	}
}

// checkovTable compares the verdicts of Checkov with the labels, beside those of trust lint.
func checkovTable(t *testing.T, outcomes []outcome) string {
	t.Helper()
	read := readVerdicts(t)
	var b strings.Builder
	fmt.Fprintf(&b, "## Beside Checkov\n\n"+
		"Checkov %s on the cases of Terraform, with the checks %s. Checkov agrees with a label if a check fails exactly where the "+
		"label has a rule. The cases and labels are those of this corpus, and the checks of Checkov are about fewer mistakes and, "+
		"for AWS, about GitHub only. %d newer cases, on which Checkov did not run, are left out.\n\n",
		read.Version, strings.Join(read.Checks, ", "), len(read.Missing))
	b.WriteString("| Cases of Terraform where | Cases | Checkov agrees | misses | false alarms | trust lint agrees | misses | false alarms |\n" +
		"|---|--:|--:|--:|--:|--:|--:|--:|\n")
	var checkovTotal, lintTotal verdicts
	row := func(kind string, a, b verdicts) string {
		return fmt.Sprintf("| %s | %d | %d | %d | %d | %d | %d | %d |\n", kind, a.matches+a.misses+a.falsePositives,
			a.matches, a.misses, a.falsePositives, b.matches, b.misses, b.falsePositives)
	}
	for _, kind := range []string{"an outsider gets in", "another project or run gets in", "another mistake", "no mistake"} {
		var checkov, lint verdicts
		for _, o := range outcomes {
			if !forCheckov(o.labelled) || kindOf(o.labelled) != kind || slices.Contains(read.Missing, o.name) {
				continue
			}
			_, failed := read.Failed[o.name]
			checkov.add(verdict(len(o.finds) > 0 && !failed, len(o.finds) == 0 && failed))
			lint.add(verdict(len(o.missed) > 0, len(o.wrong) > 0))
		}
		b.WriteString(row(kind, checkov, lint))
		checkovTotal.add(checkov)
		lintTotal.add(lint)
	}
	b.WriteString(row("all", checkovTotal, lintTotal))
	return b.String()
}
