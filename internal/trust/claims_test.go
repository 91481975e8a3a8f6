package trust

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// company is an issuer of which nothing is known.
const company = "https://login.acme.example"

// has requires a claim.
func has(path ...string) check {
	return func(t Token) bool { _, ok := t.Lookup(path...); return ok }
}

// withFields returns a trust with other fields.
func withFields(t Trust, set func(*Trust)) Trust {
	set(&t)
	return t
}

func TestFindings_ClaimsOfIssuers(t *testing.T) {
	t.Parallel()
	name := func(claim string) func(*Trust) {
		return func(t *Trust) { t.User = func(token Token) string { return token.Text(claim) } }
	}
	groups := Comparison{Claim: []string{"groups"}, Operator: Equal, Values: []string{"platform"}, List: true}
	nested := []Comparison{compare("workload/team", Equal, "payments", "orders"), compare("workload/stage", Equal, "production")}
	account := withFields(gcp("", []Comparison{compare("account", Equal, "111122223333")}, equal("account", "111122223333")),
		func(t *Trust) { t.Account = "111122223333" })
	const role = "arn:aws:sts::111122223333:assumed-role/deploy/"
	tests := []struct {
		reason string
		trust  Trust
		want   []string
	}{
		{reason: "a claim that is only read is there", trust: withFields(gcp(company, nil, has("employee")),
			func(t *Trust) { t.Reads = [][]string{{"employee"}} }), want: []string{"W02"}},
		{reason: "a time that is only read is a number", trust: withFields(gcp(company, nil, func(t Token) bool { _, ok := t["exp"].(float64); return ok }),
			func(t *Trust) { t.Reads = [][]string{{"exp"}} }), want: []string{"W02"}},
		{reason: "a list has the item", trust: gcp(company, []Comparison{groups}, func(t Token) bool {
			list, ok := t["groups"].([]any)
			return ok && len(list) == 1 && list[0] == "platform"
		}), want: []string{"W04"}},
		{reason: "claims of one object do not mix between workloads", trust: gcp(company, nested,
			equal("workload/team", "payments"), equal("workload/stage", "production")), want: []string{"W04"}},
		{reason: "each user has the own name", trust: withFields(gcp(company, []Comparison{compare("hd", Equal, "acme.example")},
			equal("hd", "acme.example")), name("sub"))},
		{reason: "all users have one name", trust: withFields(gcp(company, []Comparison{compare("hd", Equal, "acme.example")},
			equal("hd", "acme.example")), func(t *Trust) { t.User = func(Token) string { return "admin" } }), want: []string{"W04"}},
		{reason: "each job of GitHub has a name, and is no user", trust: withFields(gcp(github, nil), name("sub")), want: []string{"W02"}},
		{reason: "the claim of the name is that of one workload", trust: withFields(gcp(company, []Comparison{compare("number", Equal, "4711")},
			equal("number", "4711")), func(t *Trust) { t.SubjectClaim = "number" })},
		{reason: "another claim is that of several", trust: withFields(gcp(company, []Comparison{compare("stage", Equal, "production")},
			equal("stage", "production")), func(t *Trust) { t.SubjectClaim = "number" }), want: []string{"W04"}},
		{reason: "each role of an account", trust: account, want: []string{"W02"}},
		{reason: "one role of an account", trust: withFields(account, func(t *Trust) {
			t.Comparisons = append(t.Comparisons, compare("arn", Prefix, role))
			t.Accepts = all(begins("arn", role), equal("account", "111122223333"))
		}), want: []string{"W08"}},
		{reason: "a disabled trust", trust: withFields(gcp(github, nil), func(t *Trust) { t.Disabled = true })},
		{reason: "a trust that the files do not say", trust: withFields(gcp(github, nil), func(t *Trust) { t.Unknown = "the condition is ${var.x}" }), want: []string{"U02"}},
		{reason: "a look-alike issuer of a trust that the files do not say",
			trust: withFields(gcp("https://token.actions.githubuserc0ntent.com", nil), func(t *Trust) { t.Unknown = "the condition is ${var.x}" }),
			want:  []string{"W09", "U02"}},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			findings := Judge(test.trust)
			if diff := cmp.Diff(test.want, rules(findings)); diff != "" {
				t.Errorf("Judge() differs (-want +got):\n%s\n%+v", diff, findings)
			}
		})
	}
}
