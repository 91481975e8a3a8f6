package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

const openTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
 "Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"},
 "Action":"sts:AssumeRoleWithWebIdentity",
 "Condition":{"StringLike":{"token.actions.githubusercontent.com:sub":"repo:acme/*"},
  "StringEquals":{"token.actions.githubusercontent.com:aud":"sts.amazonaws.com"}}}]}`

func TestTrustLint_EndsWithTheCodeOfItsReport(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(directory, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	open, broken, empty := write("deploy.json", openTrust), write("broken.tf", "resource {"), write("empty.yaml", "a: 1\n")
	tests := []struct {
		reason string
		args   []string
		input  string
		code   int
		out    string
		errs   string
	}{
		{"nothing found", []string{empty}, "", exitDone, "nothing found", ""},
		{"a finding", []string{open}, "", exitFailed, "sub=repo:acme/other-repo", ""},
		{"a finding on stdin", []string{"-"}, openTrust, exitFailed, "W04", ""},
		{"a finding below the severity", []string{"--severity", "critical", open}, "", exitDone, "W04", ""},
		{"a finding of another rule", []string{"--rule", "W01", open}, "", exitDone, "nothing found", ""},
		{"an issuer that may not be trusted", []string{"--rule", "W09", "--issuer", "https://gitlab.com", open}, "", exitFailed, "W09", ""},
		{"a file that cannot be read, and the rest", []string{broken, open}, "", exitInvalid, "W04", "broken.tf:1,"},
		{"a file that is not there", []string{filepath.Join(directory, "none")}, "", exitInvalid, "", "cannot be read"},
		{"no path", nil, "", exitInvalid, "", "name files"},
		{"an unknown format", []string{"-o", "xml", open}, "", exitInvalid, "", "sarif"},
		{"an unknown severity", []string{"--severity", "worst", open}, "", exitInvalid, "", "critical, high"},
		{"an unknown rule", []string{"--rule", "Q99", open}, "", exitInvalid, "", "no such rule"},
		{"the rules", []string{"--list-rules"}, "", exitDone, "W01", ""},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			o := run(t, "", test.input, append([]string{"trust", "lint"}, test.args...)...)
			if o.code != test.code || !strings.Contains(o.out, test.out) || !strings.Contains(o.errs, test.errs) {
				t.Errorf("exit code %d, want %d, with %q and %q\n%s%s", o.code, test.code, test.out, test.errs, o.out, o.errs)
			}
		})
	}
}

func TestTrustLint_WritesJSON(t *testing.T) {
	t.Parallel()
	o := run(t, "", openTrust, "trust", "lint", "-o", "json", "-")
	var findings []trust.Finding
	if err := json.Unmarshal([]byte(o.out), &findings); err != nil {
		t.Fatal(err)
	}
	if len(findings) != 1 || findings[0].Rule != "W04" || findings[0].AcceptedToken.Text("repository_owner") != "acme" || findings[0].File != "stdin" {
		t.Errorf("findings = %+v, want W04 with a token", findings)
	}
	if o := run(t, "", "{}", "trust", "lint", "-o", "json", "-"); strings.TrimSpace(o.out) != "[]" {
		t.Errorf("no findings are written as %q, want []", o.out)
	}
}

func TestTrustLint_WritesSARIF(t *testing.T) {
	t.Parallel()
	o := run(t, "", openTrust, "trust", "lint", "-o", "sarif", "-")
	var log struct {
		Version string
		Runs    []struct{ Results []struct{ RuleID string } }
	}
	if err := json.Unmarshal([]byte(o.out), &log); err != nil {
		t.Fatal(err)
	}
	if log.Version != "2.1.0" || len(log.Runs) != 1 || len(log.Runs[0].Results) != 1 || log.Runs[0].Results[0].RuleID != "W04" {
		t.Errorf("SARIF = %+v, want one result of W04", log)
	}
}

func TestMentions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text, claim string
		want        bool
	}{
		{"sub and ref", "ref", true},
		{"assertion.repository_id", "repository", false},
		{"job_workflow_ref", "ref", false},
		{"preference", "ref", false},
		{"repository_owner, repository", "repository", true},
		{"", "ref", false},
	}
	for _, test := range tests {
		if got := mentions(test.text, test.claim); got != test.want {
			t.Errorf("mentions(%q, %q) = %v, want %v", test.text, test.claim, got, test.want)
		}
	}
}
