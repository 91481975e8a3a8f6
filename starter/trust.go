package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/trust"
	"github.com/rollcall-iam/rollcall/internal/trust/lint"
)

// formatSARIF is the format of code scanners.
const formatSARIF = "sarif"

func trustCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "Check which tokens of workloads clouds trust",
		Long: `trust checks workload identity federation: which tokens of which issuers clouds accept.
It needs no database, no Temporal, no network and no account.`,
		Example: "  rollcall trust lint infrastructure/",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(trustLintCommand(c))
	return cmd
}

// trustLint has the flags of trust lint.
type trustLint struct {
	*cli

	output, severity string
	rules, issuers   []string
	list             bool
}

func trustLintCommand(c *cli) *cobra.Command {
	l := &trustLint{cli: c}
	cmd := &cobra.Command{
		Use:   "lint PATH...",
		Short: "Find trusts that accept tokens of other workloads, and show the token",
		Long: `lint reads files and directories ("-" is stdin), decides for every trust which tokens it
accepts, and reports each that it should not, with the token.

It reads:
  AWS          trust policies, roles and OIDC providers as the aws command prints them,
               CloudFormation (JSON and YAML)
  Google Cloud workload identity pool providers, IAM policies, custom roles, credential
               configurations (external_account)
  Entra        federated identity credentials, exact and flexible, also in ARM templates
  Terraform    .tf and .tf.json files, files of variables, plans and states by
               terraform show -json
  Kubernetes   manifests (pods, ConfigMaps, roles and bindings) and
               AuthenticationConfigurations, in YAML and JSON
  stored keys  in Secrets, kubeconfig files, pipelines, scripts, .env and key files

A comment "# rollcall:ignore W05 until 2027-03-01 REASON" on or above a line, or a
document of kind TrustWaiver, accepts a finding. Documents of kind WorkloadTrust say which
workloads trusts are meant for.

Exit codes: 0 nothing found, 1 findings, 2 input that could not be read; the rest of the
input is checked all the same.`,
		Example: `  rollcall trust lint infrastructure/ manifests/
  rollcall trust lint --severity high -o sarif . > trust.sarif
  aws iam get-role --role-name deploy | rollcall trust lint -
  terraform show -json plan.bin | rollcall trust lint -o json -
  rollcall trust lint --list-rules`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return l.run(cmd, args) },
	}
	flags := cmd.Flags()
	// It hides the flag of the root, which knows no sarif.
	flags.StringVarP(&l.output, "output", "o", formatTable, "table, json, yaml or sarif")
	flags.StringVar(&l.severity, "severity", string(trust.Low), "the lowest severity with exit code 1: critical, high, medium or low")
	flags.StringSliceVar(&l.rules, "rule", nil, "report only these rules, such as W01,W05")
	flags.StringSliceVar(&l.issuers, "issuer", nil, "the issuers that may be trusted; any if not set")
	flags.BoolVar(&l.list, "list-rules", false, "list the rules and end")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("output",
		cobra.FixedCompletions(append(formats(), formatSARIF), cobra.ShellCompDirectiveNoFileComp)))
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("severity",
		cobra.FixedCompletions([]string{"critical", "high", "medium", "low"}, cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

// run lints and writes the report.
func (l *trustLint) run(cmd *cobra.Command, args []string) error {
	if err := l.check(args); err != nil {
		return invalid(err)
	}
	l.cli.format = l.output
	if l.list {
		return l.listRules()
	}
	ctx := cmd.Context()
	files, problems, notes := lint.Files(ctx, args, l.in)
	bar := &progress{stop: make(chan struct{})}
	report, err := lint.Lint(ctx, files, lint.Options{Rules: l.rules, Issuers: l.issuers, Progress: func(done, total int) {
		if done == 1 {
			bar = l.watch(total, "judging trusts")
		}
		bar.set(done)
	}})
	bar.end()
	if err != nil {
		return err
	}
	report.Problems = append(problems, report.Problems...)
	report.Notes = append(notes, report.Notes...)
	if err := l.write(report); err != nil {
		return err
	}
	return l.exit(report)
}

// check validates the flags.
func (l *trustLint) check(args []string) error {
	if l.output != formatSARIF {
		if err := checkFormat(l.output); err != nil {
			return fmt.Errorf("%w or sarif", errors.Unwrap(err))
		}
	}
	if !slices.Contains(lint.Severities(), trust.Severity(l.severity)) {
		return fmt.Errorf("--severity %q: write critical, high, medium or low", l.severity)
	}
	for _, rule := range l.rules {
		if !slices.ContainsFunc(lint.Rules(), func(r lint.Rule) bool { return r.ID == rule }) {
			return fmt.Errorf("--rule %q: there is no such rule: --list-rules lists them", rule)
		}
	}
	if len(args) == 0 && !l.list {
		return errors.New(`trust lint: name files or directories to lint, or "-" for stdin`)
	}
	return nil
}

func (l *trustLint) listRules() error {
	if l.output == formatSARIF {
		return invalid(errors.New("--list-rules: write -o table, json or yaml"))
	}
	return l.print(lint.Rules(), func(w io.Writer) {
		var lines [][]string
		for _, r := range lint.Rules() {
			lines = append(lines, []string{r.ID, string(r.Severity), r.Title})
		}
		rows(w, []string{"RULE", "SEVERITY", "WHAT IT FINDS"}, lines)
	})
}

// write writes findings to stdout, and what was not read to stderr.
func (l *trustLint) write(report lint.Report) error {
	for _, one := range report.Problems {
		fmt.Fprintf(l.err, "rollcall: %s: %s\n", visible(one.File), visible(one.Text))
	}
	for _, one := range report.Notes {
		fmt.Fprintf(l.err, "note: %s: %s\n", visible(one.File), visible(one.Text))
	}
	if l.output == formatSARIF {
		return lint.WriteSARIF(l.out, report)
	}
	findings := report.Findings
	if findings == nil {
		findings = []trust.Finding{} // a list in JSON, not null
	}
	return l.print(findings, func(w io.Writer) { l.table(w, report) })
}

// exit returns the error with the exit code of a report.
func (l *trustLint) exit(report lint.Report) error {
	if len(report.Problems) > 0 {
		return exitError{code: exitInvalid}
	}
	least := lint.Rank(trust.Severity(l.severity))
	if slices.ContainsFunc(report.Findings, func(f trust.Finding) bool { return lint.Rank(f.Severity) <= least }) {
		return exitError{code: exitFailed}
	}
	return nil
}

// table writes findings as text: by file and trust, in the order of the lines.
func (l *trustLint) table(w io.Writer, report lint.Report) {
	findings := slices.Clone(report.Findings)
	slices.SortStableFunc(findings, func(a, b trust.Finding) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, strings.Compare(a.Trust, b.Trust),
			lint.Rank(a.Severity)-lint.Rank(b.Severity))
	})
	file, name := "", ""
	for _, f := range findings {
		if f.File != file {
			fmt.Fprintf(w, "%s\n", visible(f.File))
			file, name = f.File, ""
		}
		if f.Trust != name {
			fmt.Fprintf(w, "  %s\n", visible(f.Trust))
			name = f.Trust
		}
		l.finding(w, f)
	}
	if len(findings) > 0 {
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, lintSummary(report))
}

// finding writes one finding with the claims of its token.
func (l *trustLint) finding(w io.Writer, f trust.Finding) {
	colour := color.FgYellow
	if lint.Rank(f.Severity) <= lint.Rank(trust.High) {
		colour = color.FgRed
	}
	fmt.Fprintf(w, "    %d: %s %s  %s\n", f.Line, l.paint(colour, string(f.Severity)), f.Rule, visible(f.Message))
	for i, line := range tokenLines(f) {
		label := "       "
		if i == 0 {
			label = "token: "
		}
		fmt.Fprintf(w, "      %s%s\n", label, visible(line))
	}
	fmt.Fprintf(w, "      fix: %s\n", visible(f.Fix))
}

// tokenLines writes the claims of a token that matter: the issuer, the audience, the subject, and
// those that the finding names.
func tokenLines(f trust.Finding) []string {
	var lines []string
	for _, name := range []string{"iss", "aud", "sub"} {
		if value, ok := f.AcceptedToken[name]; ok {
			lines = append(lines, name+"="+claimText(value))
		}
	}
	var others []string
	left := 0
	for _, name := range slices.Sorted(maps.Keys(f.AcceptedToken)) {
		value := claimText(f.AcceptedToken[name])
		switch {
		case slices.Contains([]string{"iss", "aud", "sub"}, name):
		case value != "" && (mentions(f.Fix, name) || mentions(f.Message, name)):
			others = append(others, name+"="+value)
		default:
			left++
		}
	}
	if left > 0 {
		others = append(others, "("+count(left, "more claim")+": -o json)")
	}
	if len(others) > 0 {
		lines = append(lines, strings.Join(others, "  "))
	}
	return lines
}

// mentions reports whether a text names a claim as a word of its own.
func mentions(text, claim string) bool {
	for rest := text; ; {
		before, after, found := strings.Cut(rest, claim)
		if !found {
			return false
		}
		if !strings.HasSuffix(before, "_") && !isWordEnd(before) && !strings.HasPrefix(after, "_") && (after == "" || !isLetter(after[0])) {
			return true
		}
		rest = after
	}
}

func isWordEnd(text string) bool { return text != "" && isLetter(text[len(text)-1]) }

func isLetter(b byte) bool { return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' }

// claimText writes the value of a claim.
func claimText(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case []any:
		parts := make([]string, len(v))
		for i, item := range v {
			parts[i] = claimText(item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, name+": "+claimText(v[name]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	default:
		return fmt.Sprint(v)
	}
}

// lintSummary says what was judged and found.
func lintSummary(report lint.Report) string {
	text := count(report.Trusts, "trust") + " in " + count(report.Files, "file") + ": "
	var parts []string
	for _, severity := range lint.Severities() {
		n := 0
		for _, f := range report.Findings {
			if f.Severity == severity {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, severity))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing found"}
	}
	if n := len(report.Waived); n > 0 {
		parts = append(parts, fmt.Sprintf("%d waived", n))
	}
	return text + strings.Join(parts, ", ") + "."
}
