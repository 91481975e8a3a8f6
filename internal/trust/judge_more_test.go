package trust

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestJudge_Issuers checks one tight and some open trusts of each kind of issuer.
func TestJudge_Issuers(t *testing.T) {
	t.Parallel()
	const (
		organization = "11111111-1111-1111-1111-111111111111"
		project      = "22222222-1111-1111-1111-111111111111"
		circle       = "https://oidc.circleci.com/org/" + organization
		buildkite    = "https://agent.buildkite.com"
		bitbucket    = "https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc"
		pool         = "eu-west-1:11111111-1111-1111-1111-111111111111"
		cognito      = "https://cognito-identity.amazonaws.com"
		spire        = "https://oidc.acme.example"
		outbound     = "https://a1.tokens.sts.global.api.aws"
		google       = "https://accounts.google.com"
	)
	pinned := Comparison{Claim: []string{"aud"}, Operator: Equal, Values: []string{pool}}
	tests := []struct {
		reason string
		trust  Trust
		want   []string
	}{
		{reason: "any user in one CircleCI project", trust: subjectTrust(circle, "org/"+organization+"/project/"+project+"/user/*")},
		{reason: "any CircleCI project", trust: subjectTrust(circle, "org/"+organization+"/project/*"), want: []string{"W02"}},
		{reason: "any CircleCI job", trust: aws(circle, nil), want: []string{"W02"}},
		{reason: "a Buildkite branch", trust: subjectTrust(buildkite, "organization:acme:pipeline:app:ref:refs/heads/main:*")},
		{reason: "any Buildkite branch", trust: subjectTrust(buildkite, "organization:acme:pipeline:app:*"), want: []string{"W05"}},
		{reason: "any Buildkite organization", trust: subjectTrust(buildkite, "organization:*:pipeline:app:*"), want: []string{"W01"}},
		{reason: "one Bitbucket deployment environment", trust: subjectTrust(bitbucket, "{"+organization+"}:{"+project+"}:*")},
		{reason: "any Bitbucket repository", trust: subjectTrust(bitbucket, "*"), want: []string{"W02"}},
		{reason: "a Vercel environment", trust: exactTrust("https://oidc.vercel.com/acme", "owner:acme:project:web:environment:production")},
		{reason: "any Vercel environment", trust: subjectTrust("https://oidc.vercel.com/acme", "owner:acme:project:web:*"), want: []string{"W05"}},
		{reason: "any Vercel project, through the global issuer", trust: subjectTrust("https://oidc.vercel.com", "owner:acme:*"), want: []string{"W04"}},
		{reason: "any Vercel team", trust: aws("https://oidc.vercel.com", nil), want: []string{"W02"}},
		{reason: "a Pulumi stack", trust: exactTrust("https://api.pulumi.com/oidc", "pulumi:deploy:org:acme:project:p:stack:s:operation:update:scope:write"), want: []string{"W15"}},
		{reason: "a Codefresh pipeline that a user starts", trust: exactTrust("https://oidc.codefresh.io", "account:aa:pipeline:bb:initiator:alice")},
		{reason: "any Codefresh account", trust: subjectTrust("https://oidc.codefresh.io", "account:*:pipeline:*"), want: []string{"W01"}},
		{reason: "a Scalr workspace", trust: exactTrust("https://scalr.io", "account:acme:environment:prod:workspace:w")},
		{reason: "any Scalr workspace", trust: subjectTrust("https://scalr.io", "account:acme:*"), want: []string{"W04"}},
		{reason: "an Upbound control plane", trust: exactTrust("https://proidc.upbound.io", "mcp:acme/plane:provider:provider-aws")},
		{reason: "a Google service account", trust: exactTrust(google, "110000000000000000009")},
		{reason: "any Google account", trust: aws(google, nil), want: []string{"W02"}},
		{
			reason: "a Cognito pool",
			trust:  Trust{Kind: AWSRole, Issuer: cognito, Accepts: all(equal("aud", pool), equal("amr", "authenticated")), Comparisons: []Comparison{pinned, compare("amr", Equal, "authenticated")}},
		},
		{
			reason: "guests of a Cognito pool",
			trust:  Trust{Kind: AWSRole, Issuer: cognito, Accepts: all(equal("aud", pool)), Comparisons: []Comparison{pinned, compare("amr", Present)}}, want: []string{"W05"},
		},
		{reason: "any Cognito pool", trust: Trust{Kind: AWSRole, Issuer: cognito, Accepts: all()}, want: []string{"W02"}},
		{reason: "a SPIFFE ID", trust: exactTrust(spire, "spiffe://acme.example/ns/data/sa/writer")},
		{reason: "SPIFFE IDs of a namespace", trust: subjectTrust(spire, "spiffe://acme.example/ns/data/*"), want: []string{"W03"}},
		{reason: "an IAM role", trust: gcp(outbound, []Comparison{compare("sub", Equal, "arn:aws:iam::111122223333:role/app")}, equal("sub", "arn:aws:iam::111122223333:role/app"))},
		{reason: "any IAM role", trust: gcp(outbound, []Comparison{compare("sub", Prefix, "arn:aws:iam::111122223333:")}, begins("sub", "arn:aws:iam::111122223333:")), want: []string{"W02"}},
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

func TestJudge_IssuerMistakes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		reason, issuer string
		want           bool
	}{
		{reason: "as the discovery document has it", issuer: github},
		{reason: "a private issuer", issuer: "https://idp.corp.example/realms/prod"},
		{reason: "an issuer whose URL ends in a slash", issuer: "https://westeurope.oic.prod-aks.azure.com/t/c/"},
		{reason: "the same without it", issuer: "https://westeurope.oic.prod-aks.azure.com/t/c", want: true},
		{reason: "a slash too many", issuer: github + "/", want: true},
		{reason: "upper case", issuer: "https://Token.actions.githubusercontent.com", want: true},
		{reason: "no TLS", issuer: "http://token.actions.githubusercontent.com", want: true},
		{reason: "a port", issuer: "https://idp.corp.example:8443", want: true},
		{reason: "an address", issuer: "https://192.0.2.7", want: true},
		{reason: "user information", issuer: "https://gitlab.com@evil.example", want: true},
		{reason: "a query", issuer: "https://gitlab.com?x=1", want: true},
		{reason: "punycode", issuer: "https://xn--gitlb-7ra.com", want: true},
		{reason: "letters that look alike", issuer: "https://gitlаb.com", want: true},
		{reason: "a blank", issuer: "https://gitlab.com ", want: true},
		{reason: "no URL", issuer: "gitlab", want: true},
		{reason: "a top-level domain that misses a letter", issuer: "https://oidc.eks.eu-west-1.amazonaws.co/id/EXAMPLE", want: true},
		{reason: "two letters swapped", issuer: "https://token.actions.githubusrecontent.com", want: true},
		{reason: "the known host as a part of another", issuer: "https://token.actions.githubusercontent.com.evil.example", want: true},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			trust := Trust{Issuer: test.issuer, Accepts: all(equal("aud", "a")), Audiences: []string{"a"}}
			found := false
			for _, f := range Judge(trust) {
				found = found || f.Rule == ruleIssuer
			}
			if found != test.want {
				t.Errorf("Judge() reports the issuer %q: %t, want %t", test.issuer, found, test.want)
			}
		})
	}
}

func TestJudge_Options(t *testing.T) {
	t.Parallel()
	const main = "repo:acme/app:ref:refs/heads/main"
	tests := []struct {
		reason  string
		trust   Trust
		options []Options
		want    []string
	}{
		{reason: "the declared subject is accepted", trust: exactTrust(github, main), options: []Options{{Intended: []Token{{"sub": main}}}}},
		{
			reason: "a declared subject is refused",
			trust:  exactTrust(github, main), options: []Options{{Intended: []Token{{"sub": main}, {"sub": "repo:acme/web:ref:refs/heads/main"}}}}, want: []string{"W15"},
		},
		{
			reason: "a subject that nothing declares is accepted",
			trust:  exactTrust(github, main, "repo:acme/web:ref:refs/heads/main"), options: []Options{{Intended: []Token{{"sub": main}}}}, want: []string{"W14"},
		},
		{
			reason:  "a declared claim decides about runs",
			trust:   gcp(github, []Comparison{compare("repository_id", Equal, "2")}, equal("repository_id", "2")),
			options: []Options{{Intended: []Token{{"repository_id": "2", "ref": "refs/heads/main"}}}}, want: []string{"W05"},
		},
		{
			reason: "a declared pull request is no mistake",
			trust:  exactTrust(github, "repo:acme/app:pull_request"), options: []Options{{Intended: []Token{{"sub": "repo:acme/app:pull_request"}}}},
		},
		{reason: "an issuer on the list", trust: exactTrust(github, main), options: []Options{{Issuers: []string{github}}}},
		{reason: "an issuer that is not on the list", trust: exactTrust(github, main), options: []Options{{Issuers: []string{gitlab}}}, want: []string{"W09"}},
		{reason: "a list in two parts", trust: exactTrust(github, main), options: []Options{{Issuers: []string{gitlab}}, {Issuers: []string{github}}}},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			findings := Judge(test.trust, test.options...)
			if diff := cmp.Diff(test.want, rules(findings)); diff != "" {
				t.Errorf("Judge() differs (-want +got):\n%s\n%+v", diff, findings)
			}
		})
	}
}

// undecidedIf says that an accepted token is not decided.
func undecidedIf(trust Trust, condition check) Trust {
	accepts := trust.Accepts
	trust.Accepts = func(t Token) Decision {
		d := accepts(t)
		if d.Accepted && condition(t) {
			d.Undecided = "aws:SourceIp is not in the token"
		}
		return d
	}
	return trust
}

func TestJudge_Undecided(t *testing.T) {
	t.Parallel()
	always := func(Token) bool { return true }
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("repo:acme/app-%d:ref:refs/heads/main", i))
	}
	const main = "repo:acme/app:ref:refs/heads/main"
	isMain := equal("ref", "refs/heads/main")
	tests := []struct {
		reason string
		trust  Trust
		want   []string
	}{
		{reason: "not all subjects are looked at", trust: exactTrust(github, many...), want: []string{"U01"}},
		{reason: "subjects as many as are looked at", trust: exactTrust(github, many[:maxIntents]...)},
		{reason: "outsiders are refused in any case", trust: undecidedIf(exactTrust(github, main), always)},
		{reason: "outsiders are perhaps refused", trust: undecidedIf(aws(github, nil), always), want: []string{"U01"}},
		{reason: "other outsiders are not", trust: undecidedIf(aws(github, nil), isMain), want: []string{"W02"}},
		{
			reason: "a function that cannot be inverted refuses all",
			trust:  aws(github, []Comparison{compare("sub", Other, "x")}, func(Token) bool { return false }), want: []string{"U01"},
		},
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

func TestJudge_OtherIssuer(t *testing.T) {
	t.Parallel()
	const main = "repo:acme/app:ref:refs/heads/main"
	trust := exactTrust(github, main)
	trust.Comparisons = append(trust.Comparisons, compare("iss", Prefix, github))
	trust.Accepts = all(equal("sub", main), begins("iss", github), aud())
	if diff := cmp.Diff([]string{"W09"}, rules(Judge(trust))); diff != "" {
		t.Errorf("Judge() differs (-want +got):\n%s", diff)
	}
}

// TestJudge_Fixes checks that a fix is in the words of the cloud.
func TestJudge_Fixes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		kind Kind
		want string
	}{
		{kind: AWSRole, want: `"StringEquals": {"token.actions.githubusercontent.com:sub": "repo:acme/<repo>:ref:<ref>"}`},
		{kind: GCPProvider, want: `assertion.sub == "repo:acme/<repo>:ref:<ref>"`},
		{kind: EntraCredential, want: `Set subject to "repo:acme/<repo>:ref:<ref>"`},
		{kind: KubernetesAuthentication, want: `claims.sub == "repo:acme/<repo>:ref:<ref>"`},
		{want: `Require sub to equal "repo:acme/<repo>:ref:<ref>"`},
	}
	for _, test := range tests {
		trust := subjectTrust(github, "repo:acme/*")
		trust.Kind = test.kind
		findings := Judge(trust)
		if len(findings) == 0 || !strings.Contains(findings[0].Fix, test.want) {
			t.Errorf("%s: Judge() = %+v, want a fix with %s", test.kind, findings, test.want)
		}
	}
}

func TestJudge_WithoutPredicate(t *testing.T) {
	t.Parallel()
	if got := Judge(Trust{Issuer: github}); got != nil {
		t.Errorf("Judge() = %+v, want nothing without a predicate", got)
	}
}
