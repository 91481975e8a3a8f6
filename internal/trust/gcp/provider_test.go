package gcp

import (
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

const (
	poolName     = "projects/123456789012/locations/global/workloadIdentityPools/ci"
	providerName = poolName + "/providers/github"
	github       = "https://token.actions.githubusercontent.com"
	eks          = "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"
)

// githubToken is a token of acme/app on main, with other claims on top.
func githubToken(claims trust.Token) trust.Token {
	token := trust.Token{
		"iss": github, "aud": "https://iam.googleapis.com/" + providerName, "sub": "repo:acme/app:ref:refs/heads/main",
		"repository": "acme/app", "repository_id": "2", "repository_owner": "acme", "repository_owner_id": "1",
		"ref": "refs/heads/main", "event_name": "push", "actor": "alice",
	}
	for claim, value := range claims {
		token = token.With(claim, value)
	}
	return token
}

// eksToken is a token of the service account bq-writer.
func eksToken() trust.Token {
	return trust.Token{
		"iss": eks, "aud": []any{"https://iam.googleapis.com/" + providerName}, "sub": "system:serviceaccount:data-ingest:bq-writer",
		"kubernetes.io": map[string]any{
			"namespace":      "data-ingest",
			"serviceaccount": map[string]any{"name": "bq-writer", "uid": "u1"},
		},
	}
}

func githubProvider(mapping map[string]string, condition string) Provider {
	if mapping == nil {
		mapping = map[string]string{"google.subject": "assertion.sub"}
	}
	return Provider{Name: providerName, AttributeMapping: mapping, AttributeCondition: condition, OIDC: &OIDC{IssuerURI: github}}
}

func subjectFrom(expression string) map[string]string {
	return map[string]string{"google.subject": expression}
}

// accepts returns the decision of a provider.
func accepts(p Provider, token trust.Token) trust.Decision {
	return newProvider(p, &findings{}).accepts(token)
}

func TestProvider_Accepts(t *testing.T) {
	eksProvider := Provider{Name: providerName, AttributeMapping: subjectFrom("assertion.sub"), OIDC: &OIDC{IssuerURI: eks}}
	condition := func(text string) Provider { return githubProvider(nil, text) }
	outsider := githubToken(trust.Token{
		"sub": "repo:evil/app:ref:refs/heads/main", "repository": "evil/app", "repository_id": "9",
		"repository_owner": "evil", "repository_owner_id": "8",
	})
	imitation := outsider.With("repository_owner", "acme-evil")
	cases := []struct {
		reason   string
		provider Provider
		token    trust.Token
		want     bool
	}{
		{"no condition accepts every repository", condition(""), outsider, true},
		{"the subject matches", condition("assertion.sub == 'repo:acme/app:ref:refs/heads/main'"), githubToken(nil), true},
		{"the subject does not match", condition("assertion.sub == 'repo:acme/app:ref:refs/heads/main'"), outsider, false},
		{"a disjunction with true accepts an outsider", condition("assertion.sub == 'repo:acme/app:ref:refs/heads/main' || true"), outsider, true},
		{"immutable identifiers refuse an outsider", condition("assertion.repository_owner_id=='1' && assertion.repository_id=='2'"), outsider, false},
		{"immutable identifiers accept the repository", condition("assertion.repository_owner_id=='1' && assertion.repository_id=='2'"), githubToken(nil), true},
		{"a comment ends the expression", condition("true // Accept all tokens from the issuer"), outsider, true},
		{"a subject is never empty", condition("assertion.sub != ''"), outsider, true},
		{"a prefix accepts a look-alike", condition("assertion.repository_owner.startsWith('acme')"), imitation, true},
		{"a prefix refuses another name", condition("assertion.repository_owner.startsWith('acme')"), outsider, false},
		{"a list refuses another value", condition("assertion.repository_owner in ['acme', 'acme-labs']"), outsider, false},
		{"a map has keys", condition("assertion.repository_owner in {'acme': true}"), githubToken(nil), true},
		{"has() finds a claim", condition("has(assertion.environment)"), githubToken(nil), false},
		{"the token is a map", condition("'environment' in assertion"), githubToken(trust.Token{"environment": "prod"}), true},
		{"a missing claim is an error", condition("assertion.environment != 'prod'"), githubToken(nil), false},
		{"a disjunction absorbs the error of a missing claim", condition("assertion.environment == 'prod' || assertion.ref == 'refs/heads/main'"), githubToken(nil), true},
		{"not a bool", condition("assertion.ref"), githubToken(nil), false},
		{"extract", condition("assertion.sub.extract('repo:{repo}:') == 'acme/app'"), githubToken(nil), true},
		{"split", condition("assertion.sub.split(':')[1] == 'acme/app'"), githubToken(nil), true},
		{"join", condition("['acme', 'app'].join('/') == assertion.repository"), githubToken(nil), true},
		{"lowerAscii", condition("assertion.repository.lowerAscii() == 'acme/app'"), githubToken(trust.Token{"repository": "ACME/App"}), true},
		{"matches is not anchored", condition("assertion.sub.matches('repo:acme/.*')"), githubToken(trust.Token{"sub": "x-repo:acme/y"}), true},
		{"exists", condition("['acme', 'acme-labs'].exists(o, o == assertion.repository_owner)"), githubToken(nil), true},
		{"a list claim", condition("'admins' in assertion.groups"), githubToken(trust.Token{"groups": []any{"users", "admins"}}), true},
		{"a number is no text", condition("assertion.repository_id == '2'"), githubToken(trust.Token{"repository_id": 2.0}), false},
		{
			"an attribute in the condition",
			githubProvider(map[string]string{"google.subject": "assertion.sub", "attribute.owner": "assertion.repository_owner_id"}, "attribute.owner == '1'"),
			outsider, false,
		},
		{
			"google.groups in the condition",
			githubProvider(map[string]string{"google.subject": "assertion.sub", "google.groups": "assertion.groups"}, "'admins' in google.groups"),
			githubToken(trust.Token{"groups": []any{"admins"}}), true,
		},
		{
			"google.groups of a list that CEL makes",
			githubProvider(map[string]string{"google.subject": "assertion.sub", "google.groups": "assertion.teams.split(',')"}, "'admins' in google.groups"),
			githubToken(trust.Token{"teams": "users,admins"}), true,
		},
		{"replace", condition("assertion.sub.replace(':', '-', 1) == 'repo-acme/app:ref:refs/heads/main'"), githubToken(nil), true},
		{"replace with a result of more than 64 KB", condition("assertion.long.replace('', assertion.long) != ''"), githubToken(trust.Token{"long": strings.Repeat("x", 300)}), false},
		{"join of numbers", condition("[assertion.n].join() != ''"), githubToken(trust.Token{"n": 1.0}), false},
		{"a template without a variable", condition("assertion.sub.extract('repo:') != 'x'"), githubToken(nil), false},
		{"a claim that is called like a keyword", condition("assertion.in == 'x'"), githubToken(trust.Token{"in": "x"}), false},
		{"google.subject in the condition", githubProvider(nil, "google.subject.startsWith('repo:acme/')"), githubToken(nil), true},
		{"an attribute that is not mapped is an error", condition("attribute.owner == '1'"), githubToken(nil), false},
		{
			"a mapping of a missing claim is an error",
			githubProvider(map[string]string{"google.subject": "assertion.sub", "attribute.environment": "assertion.environment"}, ""), githubToken(nil), false,
		},
		{"another issuer", condition(""), githubToken(trust.Token{"iss": eks}), false},
		{"an issuer with a slash at the end", condition(""), githubToken(trust.Token{"iss": github + "/"}), false},
		{"another audience", condition(""), githubToken(trust.Token{"aud": "sts.amazonaws.com"}), false},
		{"the audience without https", condition(""), githubToken(trust.Token{"aud": "//iam.googleapis.com/" + providerName}), true},
		{"one audience of several", condition(""), githubToken(trust.Token{"aud": []any{"x", "https://iam.googleapis.com/" + providerName}}), true},
		{"no audience", condition(""), githubToken(nil).Without("aud"), false},
		{"a published article's provider", eksProvider, eksToken(), true},
		{
			"nested claims",
			Provider{Name: providerName, AttributeMapping: map[string]string{
				"google.subject": "'prod-1::' + assertion.sub", "attribute.namespace": "assertion['kubernetes.io']['namespace']",
			}, AttributeCondition: "assertion['kubernetes.io']['namespace'] in ['data-ingest']", OIDC: &OIDC{IssuerURI: eks}},
			eksToken(), true,
		},
		{
			"an audience list as google.subject is refused",
			Provider{Name: providerName, AttributeMapping: subjectFrom("assertion.aud"), OIDC: &OIDC{IssuerURI: eks}}, eksToken(), false,
		},
		{"an audience text as google.subject is accepted", githubProvider(subjectFrom("assertion.aud"), ""), outsider, true},
		{"a subject of 127 bytes", condition(""), githubToken(trust.Token{"sub": strings.Repeat("x", 127)}), true},
		{"a subject of 128 bytes", condition(""), githubToken(trust.Token{"sub": strings.Repeat("x", 128)}), false},
		{
			"attributes of more than 8 KB",
			githubProvider(map[string]string{"google.subject": "assertion.sub", "attribute.ref": "assertion.ref"}, ""),
			githubToken(trust.Token{"ref": strings.Repeat("x", 9000)}), false,
		},
		{"a disabled provider", Provider{Name: providerName, AttributeMapping: subjectFrom("assertion.sub"), OIDC: &OIDC{IssuerURI: github}, Disabled: true}, githubToken(nil), false},
		{"a condition that does not compile", condition("assertion.sub = 'x'"), githubToken(nil), false},
		{"no mapping", Provider{Name: providerName, OIDC: &OIDC{IssuerURI: github}}, githubToken(nil), false},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			if got := accepts(c.provider, c.token); got.Accepted != c.want {
				t.Errorf("accepts %v: got %v, want %v", c.token, got, c.want)
			}
		})
	}
}

func TestProvider_AcceptsAWS(t *testing.T) {
	role := "arn:aws:sts::111122223333:assumed-role/writer/session"
	token := trust.Token{"arn": role, "account": "111122223333", "userid": "AROA:session", "aud": "//iam.googleapis.com/" + providerName}
	cases := []struct {
		reason    string
		condition string
		token     trust.Token
		want      bool
	}{
		{"the account", "", token, true},
		{"a request signed for another provider", "", token.With("aud", "//iam.googleapis.com/"+poolName+"/providers/other"), false},
		{"another account", "", token.With("account", "444455556666"), false},
		{"the default mapping has the role", "attribute.aws_role == 'arn:aws:sts::111122223333:assumed-role/writer'", token, true},
		{"another role", "attribute.aws_role == 'arn:aws:sts::111122223333:assumed-role/reader'", token, false},
		{"a user has no role", "attribute.aws_role == 'arn:aws:iam::111122223333:user/bob'", token.With("arn", "arn:aws:iam::111122223333:user/bob"), true},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			p := Provider{Name: providerName, AWS: &AWS{AccountID: "111122223333"}, AttributeCondition: c.condition}
			if got := accepts(p, c.token); got.Accepted != c.want {
				t.Errorf("accepts %v: got %v, want %v", c.token, got, c.want)
			}
		})
	}
}

func TestProvider_UndecidedAcceptsTheIssuerOnly(t *testing.T) {
	p := githubProvider(nil, "")
	p.Undecided = "var.condition has no value"
	if got := accepts(p, githubToken(nil)); !got.Accepted || got.Undecided == "" {
		t.Errorf("got %v, want accepted and undecided", got)
	}
	if got := accepts(p, githubToken(trust.Token{"iss": eks})); got.Accepted {
		t.Errorf("got %v, want refused", got)
	}
}

func TestExtract_FollowsTheReference(t *testing.T) {
	// The examples of https://cloud.google.com/iam/docs/conditions-attribute-reference#extract.
	const name = "projects/_/buckets/acme-orders-aaa/objects/data_lake/orders/order_date=2019-11-03/aef87g87ae0876"
	cases := []struct{ template, want string }{
		{"/order_date={date}/", "2019-11-03"},
		{"buckets/{name}/", "acme-orders-aaa"},
		{"/orders/{empty}order_date", ""},
		{"{start}/objects/data_lake", "projects/_/buckets/acme-orders-aaa"},
		{"orders/{end}", "order_date=2019-11-03/aef87g87ae0876"},
		{"{all}", name},
		{"/orders/{none}/order_date=", ""},
		{"/orders/order_date=2019-11-03/{id}/data_lake", ""},
	}
	for _, c := range cases {
		prefix, suffix, ok := splitTemplate(c.template)
		if got := between(name, prefix, suffix); !ok || got != c.want {
			t.Errorf("%s: got %q %v, want %q", c.template, got, ok, c.want)
		}
	}
	for _, template := range []string{"", "no variable", "{}", "{a}{b}", "}{a}", "{a", "{a}}"} {
		if _, _, ok := splitTemplate(template); ok {
			t.Errorf("%q is accepted as a template", template)
		}
	}
}
