package trust

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

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
