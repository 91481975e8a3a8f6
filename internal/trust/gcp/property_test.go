package gcp

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// drawCondition draws a condition over a few claims.
func drawCondition(t *rapid.T, name string) string {
	claim := rapid.SampledFrom([]string{
		"assertion.sub", "assertion.ref", "assertion.missing", "assertion.groups", "attribute.ref", "google.subject", "assertion['a']['b']",
	})
	atom := rapid.Custom(func(t *rapid.T) string {
		value := rapid.SampledFrom([]string{"'x'", "'y'", "''", "'xy'"}).Draw(t, "value")
		form := rapid.SampledFrom([]string{
			"%s == %s", "%s != %s", "%s.startsWith(%s)", "%s.endsWith(%s)", "%s.contains(%s)", "%s.matches(%s)", "%s in [%s, 'z']", "%[2]s in %[1]s",
		}).Draw(t, "form")
		return fmt.Sprintf(form, claim.Draw(t, "claim"), value)
	})
	parts := rapid.SliceOfN(atom, 1, 4).Draw(t, name)
	condition := parts[0]
	for i, part := range parts[1:] {
		operator := rapid.SampledFrom([]string{"&&", "||", "&& !", "|| !"}).Draw(t, fmt.Sprint(name, i))
		condition = fmt.Sprintf("(%s) %s(%s)", condition, operator, part)
	}
	return condition
}

// drawToken draws a token of the GitHub issuer, some claims missing or of another type.
func drawToken(t *rapid.T) trust.Token {
	token := trust.Token{"iss": github, "aud": "//iam.googleapis.com/" + providerName}
	value := rapid.SampledFrom([]any{nil, "x", "y", "xy", "", 1.0, true, []any{"x"}, []any{"y", 1.0}, map[string]any{"b": "x"}, map[string]any{}})
	for _, claim := range []string{"sub", "ref", "groups", "a"} {
		if rapid.Bool().Draw(t, "has "+claim) {
			token[claim] = value.Draw(t, claim)
		}
	}
	return token
}

func TestProvider_ConjunctionNeverAcceptsMore(t *testing.T) {
	mapping := map[string]string{"google.subject": "assertion.sub", "attribute.ref": "assertion.ref"}
	rapid.Check(t, func(t *rapid.T) {
		condition, narrower := drawCondition(t, "condition"), drawCondition(t, "narrower")
		token := drawToken(t)
		wide := accepts(githubProvider(mapping, condition), token)
		narrow := accepts(githubProvider(mapping, fmt.Sprintf("(%s) && (%s)", condition, narrower)), token)
		if narrow.Accepted && !wide.Accepted {
			t.Fatalf("%q and %q accepts %v, which the first refuses", condition, narrower, token)
		}
	})
}

func TestProvider_NamesOfAttributesDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		condition := drawCondition(t, "condition")
		token := drawToken(t)
		name := rapid.StringMatching(`[a-z][a-z0-9_]{0,10}`).Filter(func(s string) bool {
			return s != "in" && s != "true" && s != "false" && s != "null"
		}).Draw(t, "name")
		renamed := strings.ReplaceAll(condition, "attribute.ref", "attribute."+name)
		a := accepts(githubProvider(map[string]string{"google.subject": "assertion.sub", "attribute.ref": "assertion.ref"}, condition), token)
		b := accepts(githubProvider(map[string]string{"google.subject": "assertion.sub", "attribute." + name: "assertion.ref"}, renamed), token)
		if a != b {
			t.Fatalf("%q accepts %v, %q accepts %v", condition, a, renamed, b)
		}
	})
}

// TestProvider_NeededClaimsAreNeeded demands that no token without a claim passes unless
// its comparison is optional.
func TestProvider_NeededClaimsAreNeeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newProvider(githubProvider(nil, drawCondition(t, "condition")), &findings{})
		token := drawToken(t)
		for _, c := range p.comparisons {
			if _, present := token.Lookup(c.Claim...); !present && !c.Optional && p.accepts(token).Accepted {
				t.Fatalf("%q accepts %v without %v", p.AttributeCondition, token, c.Claim)
			}
		}
	})
}

// TestExpression_FastPathIsCEL compares the direct look-up of a claim with CEL.
func TestExpression_FastPathIsCEL(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		token := drawToken(t)
		token["sub"] = "s"
		fast := githubProvider(map[string]string{"google.subject": "assertion.sub", "attribute.x": "assertion.a.b"}, "")
		slow := githubProvider(map[string]string{"google.subject": "assertion['sub']", "attribute.x": "assertion['a']['b']"}, "")
		if a, b := accepts(fast, token), accepts(slow, token); a != b {
			t.Fatalf("%v: fast %v, CEL %v", token, a, b)
		}
	})
}

func TestProvider_IsSafeForConcurrentUse(t *testing.T) {
	mapping := map[string]string{"google.subject": "assertion.sub", "attribute.repository": "assertion.sub.extract('repo:{r}:')"}
	p := newProvider(githubProvider(mapping, "attribute.repository == 'acme/app' && ['a', 'main'].exists(x, assertion.ref.endsWith(x))"), &findings{})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				if !p.accepts(githubToken(nil)).Accepted {
					t.Error("the token is refused")
				}
			}
		})
	}
	group.Wait()
}

// TestProvider_EvaluationIsBounded: without bounds these end by memory or by the timeout
// of the test.
func TestProvider_EvaluationIsBounded(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for _, condition := range []string{
		"assertion.ref" + strings.Repeat(".replace('x', assertion.ref)", 20) + " == ''",
		"['x']" + strings.Repeat(".map(a, a + a)", 200) + " == []",
		"assertion.list.map(a, assertion.list.map(b, assertion.ref.replace('x', assertion.ref))) == []",
		"assertion.list" + strings.Repeat(".map(a, assertion.list.join(a))", 100) + " == []",
		"assertion.list.all(a, assertion.list.all(b, assertion.list.all(c, assertion.list.all(d, a != '' && b != '' && c != '' && d != ''))))",
		"assertion.ref.matches(assertion.ref)",
		"assertion.ref.matches('(x{1,100}){1,9}y')",
	} {
		p := githubProvider(nil, condition)
		var list []any
		for range 500 {
			list = append(list, "x")
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		accepts(p, githubToken(trust.Token{"ref": long, "list": list}))
		runtime.ReadMemStats(&after)
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 1<<30 {
			t.Errorf("%.40q allocates %d bytes", condition, allocated)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(article))
	f.Add([]byte(`{"type":"external_account","audience":"x","credential_source":{"url":"http://x"}}`))
	f.Add([]byte(`{"name":"projects/1/locations/global/workloadIdentityPools/p/providers/x","aws":{"accountId":"1"},"attributeCondition":"assertion.arn.contains('x') ? true : false"}`))
	f.Add([]byte(`{"attributeMapping":{"google.subject":"assertion.sub"},"attributeCondition":"['a'].exists(x, x == assertion.b)","oidc":{}}`))
	token := githubToken(nil)
	f.Fuzz(func(_ *testing.T, text []byte) {
		trusts, _, err := Parse("f.json", text)
		if err != nil {
			return
		}
		for _, one := range trusts {
			one.Accepts(token.With("iss", one.Issuer))
		}
	})
}

func FuzzAccepts(f *testing.F) {
	f.Add("assertion.sub == 'x' || attribute.a in google.groups", "assertion.a.extract('{x}/')", `{"sub":"x","a":["b",1,null]}`)
	f.Add("assertion.a.matches(assertion.b)", "assertion['a'].split('/')[0]", `{"sub":"x","a":"(","b":{"c":1e300}}`)
	f.Add("assertion.exists(k, has(assertion.b))", "string(assertion.n)", `{"n":-0.0}`)
	f.Fuzz(func(t *testing.T, condition, mapping, claims string) {
		token := trust.Token{}
		if json.Unmarshal([]byte(claims), &token) != nil || token == nil {
			return
		}
		token["iss"], token["aud"] = github, "//iam.googleapis.com/"+providerName
		p := newProvider(githubProvider(map[string]string{
			"google.subject": "assertion.sub", "google.groups": "assertion.groups", "attribute.a": mapping,
		}, condition), &findings{})
		first := p.accepts(token)
		if second := p.accepts(token); first != second {
			t.Errorf("got %v, then %v", first, second)
		}
	})
}

func BenchmarkProvider_Accepts(b *testing.B) {
	for name, provider := range benchmarkProviders() {
		b.Run(name, func(b *testing.B) {
			p := newProvider(provider, &findings{})
			token := githubToken(nil)
			b.ReportAllocs()
			for b.Loop() {
				if !p.accepts(token).Accepted {
					b.Fatal("the token is refused")
				}
			}
		})
	}
}

func BenchmarkProvider_Compile(b *testing.B) {
	for name, provider := range benchmarkProviders() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				newProvider(provider, &findings{})
			}
		})
	}
}

// BenchmarkInput_Trusts reads 1,000 providers and 1,000 members.
func BenchmarkInput_Trusts(b *testing.B) {
	var in Input
	for i := range 1000 {
		pool := fmt.Sprintf("projects/1/locations/global/workloadIdentityPools/p%d", i)
		provider := githubProvider(nil, fmt.Sprintf("assertion.repository_id == '%d'", i))
		provider.Name = pool + "/providers/github"
		in = Merge(in, Input{
			Providers: []Provider{provider},
			Policies:  []Policy{policyOf(account, workloadIdentityUser, "principal://iam.googleapis.com/"+pool+"/subject/x")},
		})
	}
	for b.Loop() {
		if trusts, _ := in.Trusts(); len(trusts) != 2000 {
			b.Fatalf("got %d trusts, want 2000", len(trusts))
		}
	}
}

func benchmarkProviders() map[string]Provider {
	mapping := map[string]string{
		"google.subject": "assertion.sub", "attribute.repository": "assertion.repository", "attribute.ref": "assertion.ref", "attribute.actor": "assertion.actor",
	}
	return map[string]Provider{
		"subject":   githubProvider(nil, "assertion.sub == 'repo:acme/app:ref:refs/heads/main'"),
		"ids":       githubProvider(mapping, "assertion.repository_owner_id=='1' && assertion.repository_id=='2' && assertion.ref=='refs/heads/main'"),
		"attribute": githubProvider(mapping, "attribute.repository == 'acme/app'"),
		"extract":   githubProvider(subjectFrom("assertion.sub.extract('repo:{r}:')"), "google.subject == 'acme/app'"),
		"split":     githubProvider(nil, "assertion.sub.split(':')[1] == 'acme/app'"),
		"exists":    githubProvider(nil, "['acme/', 'labs/'].exists(x, assertion.repository.startsWith(x))"),
	}
}
