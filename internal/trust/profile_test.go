package trust

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProfiles_HaveSources(t *testing.T) {
	t.Parallel()
	for _, p := range profiles() {
		for _, source := range append([]string{p.Source}, p.Sources...) {
			if u, err := url.Parse(source); err != nil || u.Scheme != "https" || u.Host == "" {
				t.Errorf("%s: the source %q is not an https URL", p.Name, source)
			}
		}
	}
}

func TestProfiles_KnowIssuers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		issuer, subject, want string
	}{
		{issuer: github, want: "GitHub Actions"},
		{issuer: github + "/", want: "GitHub Actions"},
		{issuer: github + "/acme-inc", want: "GitHub Actions of an enterprise or server"},
		{issuer: "https://ghes.corp.example/_services/token", want: "GitHub Actions of an enterprise or server"},
		{issuer: "https://token.actions.octocorp.ghe.com", want: "GitHub Actions of an enterprise or server"},
		{issuer: gitlab, want: "GitLab"},
		{issuer: "https://gitlab.corp.example", subject: "project_path:a/b:*", want: "GitLab, self-managed"},
		{issuer: "", subject: "project_path:a/b:*", want: "GitLab"},
		{issuer: "", subject: "repo:a/b:*", want: "GitHub Actions"},
		{issuer: terraform, want: "HCP Terraform"},
		{issuer: "https://tfe.corp.example", subject: "organization:a:*", want: "Terraform Enterprise"},
		{issuer: "https://oidc.circleci.com/org/11111111-2222-3333-4444-555555555555", want: "CircleCI"},
		{issuer: "https://agent.buildkite.com", want: "Buildkite"},
		{issuer: "https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc", want: "Bitbucket Pipelines"},
		{issuer: "https://oidc.vercel.com", want: "Vercel"},
		{issuer: "https://oidc.vercel.com/acme", want: "Vercel, issuer of a team"},
		{issuer: "https://api.pulumi.com/oidc", want: "Pulumi Cloud"},
		{issuer: "https://oidc.codefresh.io", want: "Codefresh"},
		{issuer: "https://scalr.io", want: "Scalr"},
		{issuer: "https://proidc.upbound.io", want: "Upbound"},
		{issuer: "https://accounts.google.com", want: "Google"},
		{issuer: "https://cognito-identity.amazonaws.com", want: "Amazon Cognito identity pools"},
		{issuer: eks, want: "Amazon EKS"},
		{issuer: "https://container.googleapis.com/v1/projects/p/locations/l/clusters/c", want: "Google Kubernetes Engine"},
		{issuer: "https://westeurope.oic.prod-aks.azure.com/t/c/", want: "Azure Kubernetes Service"},
		{issuer: "https://kubernetes.default.svc.cluster.local", want: "Kubernetes"},
		{issuer: "https://bucket.s3.eu-west-1.amazonaws.com", subject: "system:serviceaccount:a:b", want: "Kubernetes"},
		{issuer: "https://oidc.corp.example", subject: "spiffe://corp.example/a", want: "SPIFFE"},
		{issuer: "https://a1b2.tokens.sts.global.api.aws", want: "AWS outbound identity federation"},
		{issuer: "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0", want: "Microsoft Entra ID"},
		{issuer: "https://tokens.cloud.shisho.dev", want: "a shared issuer on AWS's list"},
		{issuer: "https://idp.corp.example", subject: "robot", want: "a private issuer"},
		{issuer: "", want: "a private issuer"},
		{issuer: "://", want: "a private issuer"},
	}
	for _, test := range tests {
		var subjects []string
		if test.subject != "" {
			subjects = []string{test.subject}
		}
		if p, fixed := findProfile(test.issuer, subjects); p.Name != test.want || len(fixed) != len(p.Attributes) {
			t.Errorf("findProfile(%q, %q) = %q, want %q", test.issuer, test.subject, p.Name, test.want)
		}
	}
}

func TestProfiles_Attributes(t *testing.T) {
	t.Parallel()
	for _, p := range profiles() {
		if len(p.Attributes) > 64 {
			t.Errorf("%s has %d attributes; an intent has bits for 64", p.Name, len(p.Attributes))
		}
		for i := range p.Attributes {
			a := &p.Attributes[i]
			for _, value := range append([]string{a.Example}, a.Other...) {
				if !a.signable(value) {
					t.Errorf("%s: %s: the value %q is not one that the issuer takes", p.Name, a.Name, value)
				}
			}
			if len(a.Other) == 0 || a.Other[0] == a.Example {
				t.Errorf("%s: %s has no other value", p.Name, a.Name)
			}
			if a.Level != runLevel && (a.Free || a.Guarded) || a.Level == projectLevel && a.Group == "" {
				t.Errorf("%s: %s is of level %s, and free, guarded or without a group", p.Name, a.Name, a.Level)
			}
		}
	}
}

// TestProfiles_Grammars writes the subject of each form and reads it again.
func TestProfiles_Grammars(t *testing.T) {
	t.Parallel()
	for _, p := range profiles() {
		j := newJudge(read(&Trust{Accepts: func(Token) Decision { return Decision{} }}, nil))
		j.profile, j.fixed = p, make([]string, len(p.Attributes))
		j.forms = nil
		for i := range p.Subjects {
			j.forms = append(j.forms, &p.Subjects[i])
		}
		for _, f := range j.forms {
			checkTexts(t, p, f.subject)
			values := make([]string, len(p.Attributes))
			j.generator.complete(f, values)
			subject, ok := f.subject.render(values)
			if !ok {
				t.Errorf("%s: %s has no subject", p.Name, f.Name)
			}
			_, got, _ := j.parseSubject(literal(subject))
			if got == nil {
				t.Errorf("%s: %s: subject %q does not read", p.Name, f.Name, subject)
				continue
			}
			for i := range got {
				if got[i] == "" {
					values[i] = ""
				}
			}
			if diff := cmp.Diff(values, got); diff != "" {
				t.Errorf("%s: %s: subject %q reads differently (-written +read):\n%s", p.Name, f.Name, subject, diff)
			}
		}
		checkTexts(t, p, p.audience)
		for _, grammar := range p.grammars {
			checkTexts(t, p, grammar)
		}
	}
}

// checkTexts requires that a template has no name that is not an attribute.
func checkTexts(t *testing.T, p *profile, text template) {
	t.Helper()
	for _, s := range text {
		if s.attribute < 0 && strings.ContainsAny(s.text, "{}") {
			t.Errorf("%s: the template %v names an attribute that does not exist", p.Name, text)
		}
	}
}

func TestCompose(t *testing.T) {
	t.Parallel()
	p := profiles()[0]
	tests := []struct {
		reason, subject string
		want            map[string]string
	}{
		{reason: "the repository alone", subject: "repo:acme/app", want: map[string]string{"owner": "acme", "repo": "app"}},
		{
			reason: "numbers", subject: "repository_owner_id:1:repository_id:2:environment:prod",
			want: map[string]string{"owner_id": "1", "repo_id": "2", "environment": "prod"},
		},
		{
			reason: "a workflow behind the default", subject: "repo:acme/app:environment:prod:job_workflow_ref:acme/ci/.github/workflows/d.yml@refs/heads/main",
			want: map[string]string{"owner": "acme", "repo": "app", "environment": "prod", "job_workflow_ref": "acme/ci/.github/workflows/d.yml@refs/heads/main"},
		},
		{reason: "no key", subject: "nothing:acme"},
		{reason: "nothing", subject: ""},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			got := map[string]string(nil)
			if composed := p.compose(literal(test.subject)); composed != nil {
				got = map[string]string{}
				values, _, _ := p.match(composed, literal(test.subject))
				for i, v := range values {
					if v != "" {
						got[p.Attributes[i].Name] = v
					}
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("compose(%q) differs (-want +got):\n%s", test.subject, diff)
			}
		})
	}
}

// FuzzSubject reads arbitrary subjects, patterns and issuers. Reading must end and give
// only values that the issuer takes.
func FuzzSubject(f *testing.F) {
	f.Add(github, "repo:acme/app:ref:refs/heads/main", string(Equal))
	f.Add(github, "repo:a*c/*:?nvironment:*", string(Glob))
	f.Add(eks, "^system:(serviceaccount|node):.*[a-z]+.{3}$", string(Regexp))
	f.Add("", "****************************************:", string(Glob))
	f.Add("https://api.bitbucket.org/2.0/workspaces/w/pipelines-config/identity/oidc", "{22222222-2222-3333-4444-555555555555}:*", string(Glob))
	f.Fuzz(func(t *testing.T, issuer, subject, operator string) {
		c := Comparison{Claim: []string{"sub"}, Operator: Operator(operator), Values: []string{subject}}
		trust := Trust{Issuer: issuer, Comparisons: []Comparison{c}, Subjects: []string{subject}, Accepts: func(token Token) Decision {
			return Decision{Accepted: strings.Contains(token.Text("sub"), subject)}
		}}
		Judge(trust)
		j := newJudge(read(&trust, nil))
		for _, in := range j.intents {
			for i, v := range in.values {
				if in.form != nil && in.names(i) && j.fixed[i] == "" && strings.ContainsRune(v, rune(absent[0])) {
					t.Errorf("%s of %q has the value %q", j.profile.Attributes[i].Name, subject, v)
				}
			}
		}
	})
}
