package trust

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rules returns the rules of findings.
func rules(findings []Finding) []string {
	var all []string
	for _, f := range findings {
		all = append(all, f.Rule)
	}
	return all
}

// subjectTrust returns a role for one glob of subjects.
func subjectTrust(issuer, glob string) Trust {
	return aws(issuer, []Comparison{compare("sub", Glob, glob)}, like("sub", glob))
}

// exactTrust returns a role for exact subjects.
func exactTrust(issuer string, subjects ...string) Trust {
	return aws(issuer, []Comparison{compare("sub", Equal, subjects...)}, equal("sub", subjects...))
}

func TestJudge(t *testing.T) {
	t.Parallel()
	const main = "repo:acme/app:ref:refs/heads/main"
	tests := []struct {
		reason string
		trust  Trust
		want   []string
	}{
		{reason: "an exact subject lets one branch of one repository in", trust: exactTrust(github, main)},
		{reason: "numbers in the subject", trust: exactTrust(github, "repo:acme@1/app@2:ref:refs/heads/main")},
		{reason: "a tag", trust: exactTrust(github, "repo:acme/app:ref:refs/tags/v1")},
		{reason: "several exact subjects", trust: exactTrust(github, main, "repo:acme/web:environment:prod")},
		{reason: "any repository of the organization", trust: subjectTrust(github, "repo:acme/*"), want: []string{"W04"}},
		{reason: "any repository of the organization, one branch", trust: subjectTrust(github, "repo:acme/*:ref:refs/heads/main"), want: []string{"W04"}},
		{reason: "organizations that begin alike", trust: subjectTrust(github, "repo:acme*"), want: []string{"W03"}},
		{reason: "repositories that begin alike", trust: subjectTrust(github, "repo:acme/app*:ref:refs/heads/main"), want: []string{"W03"}},
		{reason: "a glob that means nothing", trust: subjectTrust(github, "*"), want: []string{"W01"}},
		{reason: "a glob for every repository", trust: subjectTrust(github, "repo:*"), want: []string{"W01"}},
		{reason: "an organization is open, the repository's name is not", trust: subjectTrust(github, "repo:*/app:ref:refs/heads/main"), want: []string{"W01"}},
		{reason: "no subject at all", trust: aws(github, nil), want: []string{"W02"}},
		{reason: "an outsider has a branch main, too", trust: gcp(github, []Comparison{compare("ref", Equal, "refs/heads/main")}, equal("ref", "refs/heads/main")), want: []string{"W07"}},
		{
			reason: "an outsider composes the subject of the environment alone",
			trust:  exactTrust(github, "environment:prod"), want: []string{"W07"},
		},
		{
			reason: "a name of an organization, which another can take over",
			trust:  gcp(github, []Comparison{compare("repository_owner", Equal, "acme")}, equal("repository_owner", "acme")),
			want:   []string{"W04", "W06"},
		},
		{
			reason: "the name of a repository",
			trust:  gcp(github, []Comparison{compare("repository", Equal, "acme/app")}, equal("repository", "acme/app")),
			want:   []string{"W06"},
		},
		{
			reason: "the number of an organization alone",
			trust:  gcp(github, []Comparison{compare("repository_owner_id", Equal, "123")}, equal("repository_owner_id", "123")),
			want:   []string{"W04"},
		},
		{
			reason: "the numbers of a repository and its owner",
			trust: gcp(github, []Comparison{compare("repository_id", Equal, "456"), compare("repository_owner_id", Equal, "123")},
				equal("repository_id", "456"), equal("repository_owner_id", "123")),
		},
		{
			reason: "numbers and a branch",
			trust: gcp(github, []Comparison{compare("repository_id", Equal, "456"), compare("ref", Equal, "refs/heads/main")},
				equal("repository_id", "456"), equal("ref", "refs/heads/main")),
		},
		{reason: "any run of the repository", trust: subjectTrust(github, "repo:acme/app:*"), want: []string{"W05"}},
		{reason: "any branch", trust: subjectTrust(github, "repo:acme/app:ref:refs/heads/*"), want: []string{"W05"}},
		{reason: "branches for releases are meant", trust: subjectTrust(github, "repo:acme/app:ref:refs/heads/release/*")},
		{reason: "pull requests", trust: exactTrust(github, "repo:acme/app:pull_request"), want: []string{"W05"}},
		{reason: "pull requests beside a branch", trust: exactTrust(github, main, "repo:acme/app:pull_request"), want: []string{"W05"}},
		{reason: "an environment, which the repository protects", trust: exactTrust(github, "repo:acme/app:environment:prod")},
		{reason: "any environment", trust: subjectTrust(github, "repo:acme/app:environment:*"), want: []string{"W05"}},
		{
			reason: "no audience",
			trust:  Trust{Kind: AWSRole, Issuer: github, Accepts: all(equal("sub", main)), Comparisons: []Comparison{compare("sub", Equal, main)}},
			want:   []string{"W08"},
		},
		{
			reason: "the audience of another cloud",
			trust: Trust{
				Kind: GCPProvider, Issuer: github, Audiences: []string{"sts.amazonaws.com"},
				Accepts: all(equal("sub", main), aud()), Comparisons: []Comparison{compare("sub", Equal, main)},
			},
			want: []string{"W08"},
		},
		{
			reason: "a tautology behind an exact subject",
			trust:  gcp(github, []Comparison{compare("sub", Equal, main)}, func(Token) bool { return true }), want: []string{"W01"},
		},
		{
			reason: "a part of the subject, which an outsider writes into a branch",
			trust:  gcp(github, []Comparison{compare("sub", Contains, "acme/app")}, contains("sub", "acme/app")), want: []string{"W01"},
		},
		{
			reason: "the end of the subject, which an outsider has as well",
			trust:  gcp(github, []Comparison{compare("sub", Suffix, ":ref:refs/heads/main")}, ends("sub", ":ref:refs/heads/main")), want: []string{"W07"},
		},
		{
			reason: "the beginning of an owner's name",
			trust:  gcp(github, []Comparison{compare("repository_owner", Prefix, "acme")}, begins("repository_owner", "acme")), want: []string{"W03"},
		},
		{reason: "a service account of a cluster", trust: exactTrust(eks, "system:serviceaccount:data:writer")},
		{reason: "any service account of a namespace", trust: subjectTrust(eks, "system:serviceaccount:data:*"), want: []string{"W04"}},
		{reason: "any namespace", trust: subjectTrust(eks, "system:serviceaccount:*:writer"), want: []string{"W04"}},
		{reason: "namespaces that begin alike", trust: subjectTrust(eks, "system:serviceaccount:data*:writer"), want: []string{"W03"}},
		{reason: "any service account", trust: subjectTrust(eks, "system:serviceaccount:*"), want: []string{"W02"}},
		{reason: "a cluster without conditions", trust: aws(eks, nil), want: []string{"W02"}},
		{
			reason: "a namespace by its claim",
			trust:  gcp(eks, []Comparison{compare("kubernetes.io/namespace", Equal, "data")}, equal("kubernetes.io/namespace", "data")), want: []string{"W04"},
		},
		{reason: "a private issuer that nobody knows", trust: exactTrust("https://idp.corp.example", "robot-7")},
		{reason: "any subject of a private issuer", trust: subjectTrust("https://idp.corp.example", "*"), want: []string{"W02"}},
		{reason: "beginnings of subjects of a private issuer", trust: subjectTrust("https://idp.corp.example", "robot-*"), want: []string{"W03"}},
		{reason: "GitLab projects of a group", trust: subjectTrust(gitlab, "project_path:acme/*:ref_type:branch:ref:main"), want: []string{"W04"}},
		{reason: "any branch of a GitLab project", trust: subjectTrust(gitlab, "project_path:acme/app:*"), want: []string{"W05"}},
		{
			reason: "the path of a GitLab project in a claim, which the next owner of the path has",
			trust:  gcp(gitlab, []Comparison{compare("project_path", Equal, "acme/app")}, equal("project_path", "acme/app")), want: []string{"W06"},
		},
		{reason: "an exact GitLab subject, which GitLab does not sign for the next owner", trust: exactTrust(gitlab, "project_path:acme/app:ref_type:branch:ref:main")},
		{
			reason: "the numbers of a GitLab project",
			trust: gcp(gitlab, []Comparison{compare("project_id", Equal, "7"), compare("namespace_id", Equal, "8")},
				equal("project_id", "7"), equal("namespace_id", "8")),
		},
		{reason: "any Terraform organization", trust: subjectTrust(terraform, "organization:*:project:p:workspace:w:run_phase:apply"), want: []string{"W01"}},
		{reason: "any workspace", trust: subjectTrust(terraform, "organization:acme:*"), want: []string{"W04"}},
		{reason: "plans, which need no approval", trust: subjectTrust(terraform, "organization:acme:project:p:workspace:w:run_phase:*"), want: []string{"W05"}},
		{reason: "applies of a workspace", trust: exactTrust(terraform, "organization:acme:project:p:workspace:w:run_phase:apply")},
		{reason: "a star that is no wildcard", trust: exactTrust(github, "repo:acme/*"), want: []string{"W15"}},
		{reason: "a subject without its context", trust: exactTrust(eks, "serviceaccount:data:writer"), want: []string{"W15"}},
		{
			reason: "a condition that no intended token meets",
			trust:  aws(github, []Comparison{compare("sub", Equal, main)}, equal("sub", main), equal("nothing", "x")), want: []string{"W15"},
		},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			findings := Judge(test.trust)
			if diff := cmp.Diff(test.want, rules(findings)); diff != "" {
				t.Errorf("Judge() differs (-want +got):\n%s\n%+v", diff, findings)
			}
			checkFindings(t, test.trust, findings)
		})
	}
}

// checkFindings requires of findings what all have.
func checkFindings(t *testing.T, trust Trust, findings []Finding) {
	t.Helper()
	for _, f := range findings {
		if f.Message == "" || f.Fix == "" || strings.Contains(f.Message+f.Fix, "\x00") {
			t.Errorf("finding %+v has no message, no fix, or an unprintable one", f)
		}
		if f.AcceptedToken != nil && !trust.Accepts(f.AcceptedToken).Accepted {
			t.Errorf("the trust refuses the token of the finding %+v", f)
		}
		if f.Line != trust.At.Line || f.File != trust.At.File || f.Trust != trust.Name {
			t.Errorf("finding %+v is not at the trust %s %v", f, trust.Name, trust.At)
		}
	}
	if diff := cmp.Diff(findings, Judge(trust)); diff != "" {
		t.Errorf("the second Judge() differs (-first +second):\n%s", diff)
	}
}
