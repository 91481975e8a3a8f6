package trust

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOverlap(t *testing.T) {
	t.Parallel()
	subject := func(subject string) Trust {
		return gcp(eks, []Comparison{compare("sub", Equal, subject)}, equal("sub", subject))
	}
	namespace := gcp(eks, []Comparison{compare("kubernetes.io/namespace", Equal, "data")}, equal("kubernetes.io/namespace", "data"))
	second := subject("system:serviceaccount:data:writer")
	second.Audiences, second.Accepts = []string{"other"}, all(equal("sub", "system:serviceaccount:data:writer"), equal("aud", "other"))
	tests := []struct {
		reason string
		a, b   Trust
		want   bool
	}{
		{"one workload", subject("system:serviceaccount:data:writer"), subject("system:serviceaccount:data:writer"), true},
		{"two workloads", subject("system:serviceaccount:data:writer"), subject("system:serviceaccount:data:reader"), false},
		{"a workload of a namespace", namespace, subject("system:serviceaccount:data:writer"), true},
		{"a workload of another namespace", namespace, subject("system:serviceaccount:web:writer"), false},
		{"one workload with two audiences", subject("system:serviceaccount:data:writer"), second, true},
		{"no predicate", Trust{}, second, false},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			if got, swapped := Overlap(test.a, test.b), Overlap(test.b, test.a); got != test.want || swapped != test.want {
				t.Errorf("Overlap() = %v, swapped %v, want %v", got, swapped, test.want)
			}
		})
	}
}

func TestJudgeTogether(t *testing.T) {
	t.Parallel()
	role := func(kind Kind, issuer, audience string) Trust {
		return Trust{Name: string(kind), Kind: kind, Issuer: issuer, Comparisons: []Comparison{compare("aud", Equal, audience)}}
	}
	tests := []struct {
		reason string
		trusts []Trust
		want   []string // trusts with a finding
	}{
		{reason: "no trust"},
		{reason: "one cloud", trusts: []Trust{role(AWSRole, eks, "a"), role(AWSRole, eks, "a")}},
		{reason: "other audiences", trusts: []Trust{role(AWSRole, eks, "a"), role(GCPProvider, eks, "b")}},
		{reason: "other issuers", trusts: []Trust{role(AWSRole, eks, "a"), role(GCPProvider, github, "a")}},
		{reason: "a provider and its binding", trusts: []Trust{role(GCPBinding, eks, "a"), role(GCPProvider, eks, "a")}},
		{reason: "two clouds", trusts: []Trust{role(AWSRole, eks, "a"), role(GCPProvider, eks, "a")}, want: []string{"aws-role", "gcp-provider"}},
		{reason: "an audience that a cloud has by default", trusts: []Trust{role(AWSRole, eks, "sts.amazonaws.com"), role(GCPProvider, eks, "sts.amazonaws.com")}},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, f := range JudgeTogether(test.trusts) {
				if f.Rule != ruleAudience {
					t.Errorf("JudgeTogether() reports %+v, want only %s", f, ruleAudience)
				}
				got = append(got, f.Trust)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("JudgeTogether() differs (-want +got):\n%s", diff)
			}
		})
	}
}
