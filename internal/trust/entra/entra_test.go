package entra

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/trust"
	"github.com/rollcall-iam/rollcall/internal/trust/kubernetes/manifest"
)

const (
	githubIssuer = "https://token.actions.githubusercontent.com"
	exchange     = "api://AzureADTokenExchange"
)

func classic() Credential {
	return Credential{
		Name: "deploy", Application: "app", At: trust.Position{File: "f", Line: 3},
		Issuer: githubIssuer, Subject: "repo:acme/app:ref:refs/heads/main", Audiences: []string{exchange},
	}
}

func flexible(expression string) Credential {
	c := classic()
	c.Subject, c.Expression, c.Language = "", expression, 1
	return c
}

func token(changes ...any) trust.Token {
	t := trust.Token{"iss": githubIssuer, "aud": exchange, "sub": "repo:acme/app:ref:refs/heads/main", "repository_id": "1"}
	for i := 0; i < len(changes); i += 2 {
		t = t.With(changes[i].(string), changes[i+1])
	}
	return t
}

func TestNew_Accepts(t *testing.T) {
	t.Parallel()
	branches := flexible("claims['sub'] matches 'repo:acme/app:ref:refs/heads/*' and claims['repository_id'] eq '1'")
	unknown := func(a Attribute) Credential {
		c := classic()
		c.Unknown = []Attribute{a}
		return c
	}
	tests := []struct {
		reason     string
		credential Credential
		token      trust.Token
		want       bool
	}{
		{"the token that is meant", classic(), token(), true},
		{"an audience in a list", classic(), token("aud", []any{"x", exchange}), true},
		{"another audience", classic(), token("aud", "sts.amazonaws.com"), false},
		{"no audience", classic(), token().Without("aud"), false},
		{"an audience in another case", classic(), token("aud", strings.ToLower(exchange)), false},
		{"another issuer", classic(), token("iss", "https://token.actions.githubusercontent.com.evil.example"), false},
		{"the issuer with a slash", classic(), token("iss", githubIssuer+"/"), false},
		{"another subject", classic(), token("sub", "repo:acme/app:pull_request"), false},
		{"a longer subject", classic(), token("sub", "repo:acme/app:ref:refs/heads/main2"), false},
		{"the subject in another case", classic(), token("sub", "repo:Acme/app:ref:refs/heads/main"), false},
		{"a subject that is a list", classic(), token("sub", []any{"repo:acme/app:ref:refs/heads/main"}), false},
		{"no subject", classic(), token().Without("sub"), false},
		{"an empty token", classic(), trust.Token{}, false},
		{"a nil token", classic(), nil, false},
		{"any branch of a pattern", branches, token("sub", "repo:acme/app:ref:refs/heads/x"), true},
		{"a slash in place of *", branches, token("sub", "repo:acme/app:ref:refs/heads/a/b"), true},
		{"another repository than the pattern's", branches, token("sub", "repo:acme/app2:ref:refs/heads/x"), false},
		{"another id", branches, token("repository_id", "2"), false},
		{"a number instead of a text", branches, token("repository_id", float64(1)), false},
		{"no id", branches, token().Without("repository_id"), false},
		{"an issuer that is not known", unknown(Issuer), token("iss", "https://x.example"), true},
		{"an audience that is not known", unknown(Audiences), token("aud", "x"), true},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			trusts, _ := New([]Credential{test.credential})
			if got := trusts[0].Accepts(test.token); got.Accepted != test.want || got.Undecided != "" {
				t.Errorf("Accepts = %+v, want %v", got, test.want)
			}
		})
	}
}

func TestNew_IsUndecidedOnUnknownExpression(t *testing.T) {
	t.Parallel()
	c := classic()
	c.Subject, c.Unknown = "", []Attribute{Expression}
	trusts, findings := New([]Credential{c})
	if got := trusts[0].Accepts(token()); !got.Accepted || got.Undecided == "" || len(findings) > 0 {
		t.Errorf("Accepts = %+v, findings = %v", got, findings)
	}
	if got := trusts[0].Accepts(token("aud", "x")); got.Accepted {
		t.Error("another audience is accepted")
	}
}

func TestNew_Finds(t *testing.T) {
	t.Parallel()
	with := func(c Credential, change func(*Credential)) Credential {
		change(&c)
		return c
	}
	pinned := "claims['sub'] eq 'x' and claims['repository_id'] eq '1'"
	tests := []struct {
		reason     string
		credential Credential
		want       []string
	}{
		{"a sound classic credential", classic(), nil},
		{"a sound flexible credential", flexible(pinned), nil},
		{"a wildcard in a classic credential", with(classic(), func(c *Credential) { c.Subject = "repo:acme/*" }), []string{"Z03"}},
		{"another audience", with(classic(), func(c *Credential) { c.Audiences = []string{"sts.amazonaws.com"} }), []string{"Z04"}},
		{"the audience in another case", with(classic(), func(c *Credential) { c.Audiences = []string{"api://azureadtokenexchange"} }), []string{"Z04"}},
		{"a national cloud", with(classic(), func(c *Credential) { c.Audiences = []string{"api://AzureADTokenExchangeChina"} }), nil},
		{"two audiences", with(classic(), func(c *Credential) { c.Audiences = []string{exchange, "x"} }), []string{"Z04"}},
		{"no audience", with(classic(), func(c *Credential) { c.Audiences = nil }), []string{"Z04"}},
		{"white space in the issuer", with(classic(), func(c *Credential) { c.Issuer += " " }), []string{"Z05"}},
		{"a slash that GitHub does not sign", with(classic(), func(c *Credential) { c.Issuer += "/" }), []string{"Z05"}},
		{"capital letters in the host", with(classic(), func(c *Credential) { c.Issuer = "https://Token.actions.githubusercontent.com" }), []string{"Z05"}},
		{"an issuer without https", with(classic(), func(c *Credential) { c.Issuer = "http://x.example" }), []string{"Z05"}},
		{"AKS with its slash", with(classic(), func(c *Credential) { c.Issuer = "https://eastus.oic.prod-aks.azure.com/t/g/" }), nil},
		{"AKS without its slash", with(classic(), func(c *Credential) { c.Issuer = "https://eastus.oic.prod-aks.azure.com/t/g" }), []string{"Z05"}},
		{"a slash of an unknown issuer may be right", with(classic(), func(c *Credential) { c.Issuer = "https://x.example/" }), nil},
		{"a multi-tenant application", with(classic(), func(c *Credential) { c.MultiTenant = true }), []string{"Z06"}},
		{"no subject", with(classic(), func(c *Credential) { c.Subject = "" }), []string{"Z08"}},
		{"a subject and an expression", with(flexible(pinned), func(c *Credential) { c.Subject = "x" }), []string{"Z08"}},
		{"flexible on EKS", with(flexible(pinned), func(c *Credential) { c.Issuer = "https://oidc.eks.eu-west-1.amazonaws.com/id/E" }), []string{"Z08"}},
		{"flexible on a look-alike of GitHub", with(flexible(pinned), func(c *Credential) { c.Issuer = githubIssuer + ".evil.example" }), []string{"Z08"}},
		{"a self-hosted GitLab", with(flexible("claims['sub'] eq 'x'"), func(c *Credential) { c.Issuer = "https://gitlab.acme.com" }), nil},
		{"HCP Terraform in Europe", with(flexible("claims['sub'] eq 'x'"), func(c *Credential) { c.Issuer = "https://app.eu.terraform.io" }), nil},
		{"language version 2", with(flexible(pinned), func(c *Credential) { c.Language = 2 }), []string{"Z08"}},
		{"a claim that Entra does not take", flexible(pinned + " and claims['ref'] eq 'x'"), []string{"Z08"}},
		{"an operator that the claim does not have", flexible("claims['sub'] eq 'x' and claims['repository_id'] matches '*'"), []string{"Z08"}},
		{"GitHub without an immutable claim", flexible("claims['sub'] matches 'repo:acme/*'"), []string{"Z08"}},
		{"an expression that does not parse", flexible("claims['sub'] = 'x'"), []string{"Z08"}},
		{"an issuer that is not known", with(flexible(pinned), func(c *Credential) { c.Issuer, c.Unknown = "", []Attribute{Issuer} }), nil},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			_, findings := New([]Credential{test.credential})
			if got := rules(findings); !slices.Equal(got, test.want) {
				t.Errorf("rules = %v, want %v: %+v", got, test.want, findings)
			}
			for _, f := range findings {
				if f.File != "f" || f.Line != 3 || f.Message == "" || f.Fix == "" || f.Trust != "deploy" {
					t.Errorf("an incomplete finding: %+v", f)
				}
			}
		})
	}
}

func TestNew_CountsPerApplication(t *testing.T) {
	t.Parallel()
	tests := []struct {
		reason   string
		a, b     int
		findings int
	}{
		{"fifteen and fifteen", 15, 15, 0},
		{"sixteen", 16, 1, 1},
		{"twenty in both", 20, 20, 2},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			var credentials []Credential
			for i := range test.a + test.b {
				c := classic()
				if i >= test.a {
					c.Application = "other"
				}
				credentials = append(credentials, c)
			}
			if _, findings := New(credentials); len(findings) != test.findings {
				t.Errorf("%d findings, want %d: %+v", len(findings), test.findings, findings)
			}
		})
	}
}

func rules(findings []trust.Finding) []string {
	var rules []string
	for _, f := range findings {
		rules = append(rules, f.Rule)
	}
	return rules
}

func TestParse_ReadsEachForm(t *testing.T) {
	t.Parallel()
	graph := `{"name": "a", "issuer": "` + githubIssuer + `", "subject": "s", "audiences": ["` + exchange + `"]}`
	flexible := `{"name": "a", "issuer": "` + githubIssuer + `", "subject": null, "audiences": ["` + exchange + `"],
		"claimsMatchingExpression": {"value": "claims['sub'] eq 's' and claims['repository_id'] eq '1'", "languageVersion": 1}}`
	identity := `{"id": "/subscriptions/1/resourcegroups/r/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i/federatedIdentityCredentials/a",
		"name": "a", "properties": {"issuer": "` + githubIssuer + `", "subject": "s", "audiences": ["` + exchange + `"]}}`
	tests := []struct {
		reason, text string
		line         int
	}{
		{"a credential of an application", graph, 1},
		{"a flexible credential", flexible, 1},
		{"a credential of an identity", identity, 1},
		{"a list as az prints it", "[\n" + graph + "]", 2},
		{"a list of an API", "{\"value\":\n[\n" + graph + "]}", 3},
		{"an application with its credentials", "{\"displayName\": \"app\",\n\"federatedIdentityCredentials\": [\n" + graph + "]}", 3},
		{"an ARM template", "{\"resources\": [\n" + identity + "]}", 2},
		{"az identity with flat fields", `{"issuer": "` + githubIssuer + `", "subject": "s", "audiences": ["` + exchange + `"], "name": "a", "resourceGroup": "r"}`, 1},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			trusts, findings, err := Parse("f.json", []byte(test.text))
			if err != nil || len(trusts) != 1 || len(findings) > 0 {
				t.Fatalf("%d trusts, findings %v, err = %v", len(trusts), findings, err)
			}
			got := trusts[0]
			if got.Name != "a" || got.Kind != trust.EntraCredential || got.Issuer != githubIssuer || got.At != (trust.Position{File: "f.json", Line: test.line}) {
				t.Errorf("trust = %+v, want line %d", got, test.line)
			}
			if !got.Accepts(token("sub", "s")).Accepted {
				t.Error("the intended token is not accepted")
			}
		})
	}
}

func TestParse_KnowsMultiTenantApplications(t *testing.T) {
	t.Parallel()
	text := `{"value": [{"displayName": "app", "signInAudience": "AzureADMultipleOrgs", "federatedIdentityCredentials": [
		{"name": "a", "issuer": "` + githubIssuer + `", "subject": "s", "audiences": ["` + exchange + `"]}]}]}`
	_, findings, err := Parse("f.json", []byte(text))
	if err != nil || !slices.Equal(rules(findings), []string{"Z06"}) {
		t.Errorf("findings = %+v, err = %v", findings, err)
	}
}

func TestParse_IgnoresOtherJSON(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{}`, `[]`, `null`, `{"issuer": "x"}`, `{"value": "x"}`, `[[[1]]]`, `{"properties": {"subject": "x"}}`} {
		trusts, findings, err := Parse("f.json", []byte(text))
		if err != nil || len(trusts)+len(findings) > 0 {
			t.Errorf("%s: %d trusts, findings %v, err = %v", text, len(trusts), findings, err)
		}
	}
}

func TestParse_TakesTemplateExpressionsForUnknown(t *testing.T) {
	t.Parallel()
	text := `{"resources": [{"name": "i/a", "properties": {"issuer": "[parameters('issuer')]", "subject": "s", "audiences": ["[variables('a')]"]}}]}`
	trusts, findings, err := Parse("f.json", []byte(text))
	if err != nil || len(trusts) != 1 || len(findings) > 0 || trusts[0].Issuer != "" {
		t.Fatalf("trusts = %+v, findings = %v, err = %v", trusts, findings, err)
	}
}

func TestParse_NamesPlaceOfError(t *testing.T) {
	t.Parallel()
	tests := []struct{ reason, text, want string }{
		{"broken JSON", "{\n\"a\": x}", "f.json:2"},
		{"an issuer that is a number", "{\"subject\": \"s\", \"audiences\": [\"x\"],\n\"issuer\": 1}", "f.json:2: issuer"},
		{"no issuer", "[\n{\"subject\": \"s\", \"audiences\": [\"x\"]}]", "f.json:2: issuer"},
		{"an audience that is no text", "{\"subject\": \"s\", \"issuer\": \"https://x\",\n\"audiences\": [1]}", "f.json:2: audiences"},
		{"an expression without value", "{\"issuer\": \"https://x\",\n\"claimsMatchingExpression\": {}}", "f.json:2: claimsMatchingExpression.value"},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			_, _, err := Parse("f.json", []byte(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("err = %v, want %s", err, test.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"name": "a", "issuer": "https://x", "subject": "s", "audiences": ["x"]}`))
	f.Add([]byte(`[{"id": "/userAssignedIdentities/i/federatedIdentityCredentials/a", "properties": {"issuer": "x", "subject": "s"}}]`))
	f.Add([]byte(`{"issuer": "https://gitlab.com", "claimsMatchingExpression": {"value": "claims['sub'] eq 'x'", "languageVersion": 1}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		trusts, _, err := Parse("f.json", text)
		if err != nil && !strings.Contains(err.Error(), "f.json") {
			t.Fatalf("an error without a place: %v", err)
		}
		for _, one := range trusts {
			one.Accepts(token())
			one.Accepts(nil)
		}
	})
}

func TestParse_BoundsSize(t *testing.T) {
	t.Parallel()
	_, _, err := Parse("f.json", []byte(strings.Repeat("[", 1000)))
	if !errors.Is(err, manifest.ErrTooLarge) {
		t.Errorf("err = %v", err)
	}
}

func BenchmarkAccepts(b *testing.B) {
	for name, c := range map[string]Credential{
		"classic":  classic(),
		"flexible": flexible("claims['sub'] matches 'repo:acme/*:ref:refs/heads/*' and claims['repository_id'] eq '1'"),
	} {
		trusts, _ := New([]Credential{c})
		t := token()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				trusts[0].Accepts(t)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	var list []map[string]any
	for i := range 1000 {
		list = append(list, map[string]any{
			"id":     fmt.Sprintf("/userAssignedIdentities/i%d/federatedIdentityCredentials/a", i),
			"issuer": githubIssuer, "subject": "s", "audiences": []string{exchange},
		})
	}
	text, err := json.Marshal(list)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := Parse("f.json", text); err != nil {
			b.Fatal(err)
		}
	}
}
