// Package lint finds trusts in files and judges them: which tokens of strangers do clouds
// accept? It needs no network and no account.
//
//	files, problems := lint.Files(ctx, []string{"infrastructure/"}, os.Stdin)
//	report, err := lint.Lint(ctx, files, lint.Options{})
//
// It recognises files by name and content, joins what belongs together, such as providers
// with policies and pods with credential configurations, sends tokens to every trust, and
// applies waivers.
package lint

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// File is a file to lint.
type File struct {
	Name string
	Text []byte
	// Named is true for a file that the user names, not one of a directory: it must be
	// readable.
	Named bool
}

// Options change what Lint reports.
type Options struct {
	// Now is the time at which waivers must hold; zero is the present.
	Now time.Time
	// Rules are the rules to report; all if empty.
	Rules []string
	// Issuers are the issuers that may be trusted; any if empty.
	Issuers []string
	// Progress is called after each judged trust, never at the same time.
	Progress func(done, total int)
	// Workers is how many trusts are judged at the same time; 0 is one for each CPU.
	Workers int
}

// Report is what Lint found.
type Report struct {
	Findings []trust.Finding
	// Waived are the findings that a waiver holds back.
	Waived []trust.Finding
	// Problems are files, or parts of them, that could not be read.
	Problems []Problem
	// Notes are files that were left out, with the reason.
	Notes []Problem
	// Trusts is how many trusts were judged.
	Trusts int
	// Files is how many files had something to judge.
	Files int
}

// Problem is a file that was not read in full.
type Problem struct {
	File string `json:"file"`
	Text string `json:"problem"`
}

// Lint judges the trusts in files. What is readable is judged even if other files are not.
// The report is the same for the same files and time. The error is that of the context.
func Lint(ctx context.Context, files []File, o Options) (Report, error) {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	parts, err := readAll(ctx, files, o.Workers)
	if err != nil {
		return Report{}, err
	}
	c := join(parts)
	found, err := c.judge(ctx, o)
	if err != nil {
		return Report{}, err
	}
	findings, waived := waive(distinct(found), c.waivers, o.Now)
	findings = keep(findings, o.Rules)
	order(findings)
	order(waived)
	return Report{
		Findings: findings, Waived: waived, Problems: c.problems, Notes: c.notes, Trusts: len(c.trusts), Files: c.files,
	}, nil
}

// keep returns the findings of some rules, all if there are none.
func keep(findings []trust.Finding, rules []string) []trust.Finding {
	if len(rules) == 0 {
		return findings
	}
	return slices.DeleteFunc(findings, func(f trust.Finding) bool { return !slices.Contains(rules, f.Rule) })
}

// order sorts findings: the most severe first, then by file and line.
func order(findings []trust.Finding) {
	slices.SortStableFunc(findings, func(a, b trust.Finding) int {
		return cmp.Or(
			Rank(a.Severity)-Rank(b.Severity), strings.Compare(a.File, b.File), a.Line-b.Line,
			strings.Compare(a.Rule, b.Rule), strings.Compare(a.Trust, b.Trust), strings.Compare(a.Message, b.Message),
		)
	})
}

// Severities returns the severities, the worst first.
func Severities() []trust.Severity { return trust.Severities() }

// Rank returns the place of a severity, 0 for the worst; that of an unknown one is last.
func Rank(s trust.Severity) int {
	if i := slices.Index(Severities(), s); i >= 0 {
		return i
	}
	return len(Severities())
}

// distinct removes findings that are said twice: two inputs may contain the same object.
func distinct(findings []trust.Finding) []trust.Finding {
	type key struct {
		file, trust, rule, message string
		line                       int
	}
	seen := make(map[key]bool, len(findings))
	return slices.DeleteFunc(findings, func(f trust.Finding) bool {
		k := key{f.File, f.Trust, f.Rule, f.Message, f.Line}
		twice := seen[k]
		seen[k] = true
		return twice
	})
}
