package token_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/token"
)

// TestPresets: each preset accepts the tokens of its provider, and none that another
// customer or another kind of caller gets from it.
func TestPresets(t *testing.T) {
	const tenant = "5f0d1a77-6d0e-4f0a-9a86-0a3b8d0f6c11"
	const v2, v1 = "https://login.microsoftonline.com/" + tenant + "/v2.0", "https://sts.windows.net/" + tenant + "/"
	const actions, cluster = "https://token.actions.githubusercontent.com", "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"
	clock, key := newClock(), newSigner(t, "RS256", "k1")
	p := newProvider(t, key.public())
	issuers := append(token.Entra(tenant, audience), token.GitHub([]string{"1342004"}, audience), token.Kubernetes(cluster, audience),
		token.Issuer{URL: "https://accounts.google.com", Rules: []token.Rule{{Kind: token.Workload, Audiences: []string{audience}}}})
	for i := range issuers {
		issuers[i].JWKSURL, issuers[i].CAFile = p.url+"/jwks", p.caFile
	}
	v := newVerifier(t, token.Config{Issuers: issuers, Now: clock.now})

	base := func(issuer string, changes map[string]any) map[string]any {
		all := map[string]any{
			"iss": issuer, "aud": audience, "sub": "subject", "iat": clock.now().Unix(), "nbf": clock.now().Unix(),
			"exp": clock.now().Add(10 * time.Minute).Unix(),
		}
		maps.Copy(all, changes)
		return all
	}
	entra := func(issuer string, changes map[string]any) map[string]any {
		all := base(issuer, map[string]any{"tid": tenant, "oid": "8b7d1c52-object", "ver": "2.0", "azp": "client"})
		maps.Copy(all, changes)
		return all
	}
	account := func(changes map[string]any) map[string]any {
		return map[string]any{"kubernetes.io": changes}
	}
	github := map[string]any{"repository_owner_id": "1342004", "repository_id": "74", "sub": "repo:acme/app:ref:refs/heads/main"}
	tests := []struct {
		reason          string
		claims          map[string]any
		want            token.Code
		issuer, subject string
		kind            token.Kind
	}{
		{"a user, version 2", entra(v2, map[string]any{"scp": "access"}), "", v2, "8b7d1c52-object", token.User},
		{"the same user, version 1", entra(v1, map[string]any{"scp": "access", "ver": "1.0"}), "", v2, "8b7d1c52-object", token.User},
		{"a workload", entra(v2, map[string]any{"idtyp": "app", "roles": []string{"apply"}}), "", v2, "8b7d1c52-object", token.Workload},
		{"neither", entra(v2, nil), token.WrongType, "", "", ""},
		{"an ID token", entra(v2, map[string]any{"nonce": "n", "scp": "access"}), token.WrongType, "", "", ""},
		{"an issuer of version 1 with a token of version 2", entra(v1, map[string]any{"scp": "access"}), token.WrongClaim, "", "", ""},
		{"another tenant by its claim", entra(v2, map[string]any{"scp": "access", "tid": "other"}), token.WrongClaim, "", "", ""},
		{"another tenant by its issuer", entra(strings.Replace(v2, "5f0d", "0000", 1), map[string]any{"scp": "access"}), token.UnknownIssuer, "", "", ""},
		{"the issuer of all tenants", entra("https://login.microsoftonline.com/common/v2.0", map[string]any{"scp": "access"}), token.UnknownIssuer, "", "", ""},
		{"no object", entra(v2, map[string]any{"scp": "access", "oid": 7}), token.WrongClaim, "", "", ""},

		{"a workflow of the owner", base(actions, github), "", actions, "repo:acme/app:ref:refs/heads/main", token.Workload},
		{"a workflow of an owner who took the name", base(actions, map[string]any{"repository_owner_id": "9", "repository_owner": "acme", "repository_id": "74"}), token.WrongClaim, "", "", ""},
		{"an owner that starts alike", base(actions, map[string]any{"repository_owner_id": "13420040", "repository_id": "74"}), token.WrongClaim, "", "", ""},
		{"a number is no identifier", base(actions, map[string]any{"repository_owner_id": 1342004, "repository_id": "74"}), token.WrongClaim, "", "", ""},

		{
			"a bound token", base(cluster, account(map[string]any{"namespace": "data", "serviceaccount": map[string]any{"name": "writer", "uid": "u"}})),
			"", cluster, "subject", token.Workload,
		},
		{"a token of a secret", base(cluster, map[string]any{"kubernetes.io/serviceaccount/namespace": "data"}), token.WrongClaim, "", "", ""},
		{"no account", base(cluster, account(map[string]any{"namespace": "data"})), token.WrongClaim, "", "", ""},

		{"Google with a scheme", base("https://accounts.google.com", nil), "", "https://accounts.google.com", "subject", token.Workload},
		{"Google without a scheme is the same issuer", base("accounts.google.com", nil), "", "https://accounts.google.com", "subject", token.Workload},
		{"others need their scheme", base(strings.TrimPrefix(cluster, "https://"), nil), token.UnknownIssuer, "", "", ""},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			got, err := v.Verify(t.Context(), key.signWith(t, map[string]any{"alg": "RS256", "typ": "JWT", "kid": "k1"}, test.claims))
			if token.CodeOf(err) != test.want || got.Issuer != test.issuer || got.Subject != test.subject || got.Kind != test.kind {
				t.Errorf("got %s %s %s, %v", got.Issuer, got.Subject, got.Kind, err)
			}
		})
	}
}

// TestVerify_Rules: the first rule that accepts a token wins, and the error is that of the
// rule with the token's audience.
func TestVerify_Rules(t *testing.T) {
	clock, key := newClock(), newSigner(t, "RS256", "k1")
	p := newProvider(t, key.public())
	issuer := p.issuer()
	issuer.Rules = []token.Rule{
		{Kind: token.Workload, Audiences: []string{"robots"}, Types: []string{"at+jwt"}, RequiredClaims: map[string][]string{"realm_access.roles": {"apply", "plan"}}},
		{Kind: token.User, Audiences: []string{audience}, AuthorizedParties: []string{"rollcall-cli"}, MaxLifetime: 2 * time.Hour},
	}
	v := newVerifier(t, token.Config{Issuers: []token.Issuer{issuer}, Now: clock.now})
	roles := func(names ...string) map[string]any { return map[string]any{"roles": names} }
	tests := []struct {
		reason, typ string
		changes     map[string]any
		want        token.Code
		kind        token.Kind
	}{
		{"the second rule", "JWT", nil, "", token.User},
		{"a client that may not use tokens here", "JWT", map[string]any{"azp": "wiki"}, token.WrongAudience, ""},
		{"no client", "JWT", map[string]any{"azp": nil}, token.WrongAudience, ""},
		{"longer than the rule allows", "JWT", map[string]any{"exp": clock.now().Add(3 * time.Hour).Unix()}, token.LifetimeTooLong, ""},
		{"the first rule", "at+jwt", map[string]any{"aud": "robots", "realm_access": roles("x", "plan")}, "", token.Workload},
		{"none of its values", "at+jwt", map[string]any{"aud": "robots", "realm_access": roles("x")}, token.WrongClaim, ""},
		{"not the claim", "at+jwt", map[string]any{"aud": "robots", "realm_access": nil}, token.WrongClaim, ""},
		{"not its type", "JWT", map[string]any{"aud": "robots", "realm_access": roles("plan")}, token.WrongType, ""},
		{"of no rule", "JWT", map[string]any{"aud": "wiki"}, token.WrongAudience, ""},
	}
	for _, test := range tests {
		got, err := v.Verify(t.Context(), key.signWith(t, map[string]any{"alg": "RS256", "typ": test.typ, "kid": "k1"}, claims(p.url, clock.now(), test.changes)))
		if token.CodeOf(err) != test.want || got.Kind != test.kind {
			t.Errorf("%s: %s, %v", test.reason, got.Kind, err)
		}
	}
}

func TestNew_Refuses(t *testing.T) {
	rules := []token.Rule{{Kind: token.User, Audiences: []string{audience}}}
	with := func(change func(i *token.Issuer)) token.Config {
		issuer := token.Issuer{URL: "https://sso.example.org", Rules: append([]token.Rule{}, rules...)}
		change(&issuer)
		return token.Config{Issuers: []token.Issuer{issuer}}
	}
	tests := []struct {
		reason string
		config token.Config
		want   string
	}{
		{"no issuers", token.Config{}, "no issuers"},
		{"one issuer twice", token.Config{Issuers: []token.Issuer{{URL: "https://a.example", Rules: rules}, {URL: "https://a.example", Rules: rules}}}, "configured twice"},
		{"not https", with(func(i *token.Issuer) { i.URL = "http://sso.example.org" }), "no https URL"},
		{"keys from a metadata service", with(func(i *token.Issuer) { i.JWKSURL = "https://169.254.169.254/" }), "metadata service"},
		{"HMAC", with(func(i *token.Issuer) { i.Algorithms = []string{"HS256"} }), `"HS256"`},
		{"no signature", with(func(i *token.Issuer) { i.Algorithms = []string{"none"} }), `"none"`},
		{"no rules", with(func(i *token.Issuer) { i.Rules = nil }), "no rules"},
		{"no kind", with(func(i *token.Issuer) { i.Rules[0].Kind = "" }), "choose user or workload"},
		{"no audience", with(func(i *token.Issuer) { i.Rules[0].Audiences = nil }), "no audiences"},
		{"an empty audience", with(func(i *token.Issuer) { i.Rules[0].Audiences = []string{""} }), "no audiences"},
		{"a negative lifetime", with(func(i *token.Issuer) { i.Rules[0].MaxLifetime = -1 }), "MaxLifetime"},
		{"a claim without a name", with(func(i *token.Issuer) { i.Rules[0].RequiredClaims = map[string][]string{"": nil} }), "required claim"},
		{"GitHub without owners", token.Config{Issuers: []token.Issuer{token.GitHub(nil, audience)}}, "required claim"},
		{"Entra without a tenant", token.Config{Issuers: token.Entra("", audience)}, "required claim"},
		{"a long leeway", with(func(i *token.Issuer) { i.Leeway = time.Hour }), "leeway 1h0m0s"},
		{"no such CA file", with(func(i *token.Issuer) { i.CAFile = "/nonexistent/ca.pem" }), "CA file"},
		{"a CA file without certificates", with(func(i *token.Issuer) { i.CAFile = "presets_test.go" }), "no PEM certificate"},
		{"a negative interval", token.Config{Issuers: []token.Issuer{{URL: "https://a.example", Rules: rules}}, Interval: -1}, "Interval"},
	}
	for _, test := range tests {
		if _, err := token.New(test.config); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.reason, err)
		}
	}
}
