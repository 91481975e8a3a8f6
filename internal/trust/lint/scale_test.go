package lint

import (
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// processorTime returns the time for which the process had a processor.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// numbered repeats a text, with the number for #.
func numbered(n int, text string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(text, "#", strconv.Itoa(i)))
	}
	return b.String()
}

// Texts with many objects that refer to each other.
const (
	attachments = `resource "aws_iam_role" "r#" {
  name               = "n#"
  assume_role_policy = jsonencode({ Statement = [{ Effect = "Allow", Action = "sts:AssumeRoleWithWebIdentity", Principal = { Federated = "arn:aws:iam::111122223333:oidc-provider/i.example" }, Condition = { StringEquals = { "i.example:sub" = "x", "i.example:aud" = "sts.amazonaws.com" } } }] })
}
resource "aws_iam_policy" "p#" {
  policy = "{}"
}
resource "aws_iam_role_policy_attachment" "a#" {
  role       = aws_iam_role.r#.name
  policy_arn = aws_iam_policy.p#.arn
}
`
	identities = `resource "azuread_application" "a#" {}
resource "azuread_service_principal" "s#" {
  client_id = azuread_application.a#.client_id
}
resource "azurerm_role_assignment" "r#" {
  scope                = "/subscriptions/x"
  role_definition_name = "Reader"
  principal_id         = azuread_service_principal.s#.object_id
}
resource "azuread_application_federated_identity_credential" "c#" {
  application_id = azuread_application.a#.id
  audiences      = ["api://AzureADTokenExchange"]
  issuer         = "https://i.example"
  subject        = "x"
}
`
	accounts = `{"resource": "projects/a/serviceAccounts/s#@a.iam.gserviceaccount.com", "policy": {"bindings": [
 {"role": "roles/iam.serviceAccountTokenCreator", "members": ["serviceAccount:t@a.iam.gserviceaccount.com",
  "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/x"]}]}},
{"resource": "projects/a/serviceAccounts/t@a.iam.gserviceaccount.com", "policy": {"bindings": [
 {"role": "roles/iam.serviceAccountTokenCreator", "members": ["serviceAccount:s#@a.iam.gserviceaccount.com"]}]}},
{"resource": "projects/q#", "policy": {"bindings": [{"role": "roles/owner", "members": ["serviceAccount:s#@a.iam.gserviceaccount.com"]}]}},
`
	creators = `---
kind: Role
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: r#, namespace: ns}
rules: [{apiGroups: [''], resources: [serviceaccounts/token], verbs: [create]}]
---
kind: RoleBinding
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: b#, namespace: ns}
roleRef: {kind: Role, name: r#}
subjects: [{kind: User, name: u}]
`
)

// TestLint_TimeGrowsWithInput checks that four times the input takes not much more than four
// times the time: input comes from others. It runs alone, as the time is that of the process.
func TestLint_TimeGrowsWithInput(t *testing.T) { //nolint:paralleltest // it measures the process
	tests := []struct {
		reason, name string
		n            int
		text         func(n int) string
	}{
		{"roles with attached policies", "d/main.tf", 100, func(n int) string { return numbered(n, attachments) }},
		{"applications with roles", "d/main.tf", 100, func(n int) string { return numbered(n, identities) }},
		{"service accounts that act as each other", "m.json", 150, func(n int) string {
			return `{"results": [` + strings.TrimSuffix(numbered(n, accounts), ",\n") + "]}"
		}},
		{"bindings of roles", "r.yaml", 100, func(n int) string { return numbered(n, creators) }},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			measure := func(n int) time.Duration {
				files := []File{{Name: test.name, Text: []byte(test.text(n))}}
				before := processorTime(t)
				if report := lintAll(t, files, Options{Workers: 1}); len(report.Problems) > 0 || report.Files == 0 {
					t.Fatalf("%d files, problems %v", report.Files, report.Problems)
				}
				return processorTime(t) - before
			}
			measure(test.n) // what is made once
			least := func(n int) time.Duration { return min(measure(n), measure(n), measure(n)) }
			if first, second := least(test.n), least(4*test.n); second > 9*first {
				t.Errorf("%d objects take %v, and %d take %v", test.n, first, 4*test.n, second)
			}
		})
	}
}
