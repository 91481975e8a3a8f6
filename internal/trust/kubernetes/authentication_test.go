package kubernetes

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/trust"
	"github.com/rollcall-iam/rollcall/internal/trust/kubernetes/manifest"
)

const idp = "https://idp.example"

// entryOf returns an AuthenticationConfiguration with one jwt entry.
func entryOf(mappings string, more ...string) string {
	return "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt:\n" +
		"- issuer: {url: " + idp + ", audiences: [cluster]}\n  claimMappings: {" + mappings + "}\n" + strings.Join(more, "")
}

const prefixed = `username: {claim: sub, prefix: "oidc:"}, groups: {claim: groups, prefix: "oidc:"}`

func claimRules(expressions ...string) string {
	return "  claimValidationRules:\n" + listed(expressions)
}

func listed(expressions []string) string {
	var b strings.Builder
	for _, e := range expressions {
		fmt.Fprintf(&b, "  - expression: %q\n", e)
	}
	return b.String()
}

func userRules(expressions ...string) string {
	return "  userValidationRules:\n" + listed(expressions)
}

func person(changes ...any) trust.Token {
	t := trust.Token{"iss": idp, "aud": "cluster", "sub": "mei", "groups": []any{"dev"}, "email": "mei@example.org", "n": float64(3)}
	for i := 0; i < len(changes); i += 2 {
		t = t.With(changes[i].(string), changes[i+1])
	}
	return t
}

func parsed(t *testing.T, text string) Manifests {
	t.Helper()
	m, err := Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func rules(findings []trust.Finding) []string {
	var rules []string
	for _, f := range findings {
		rules = append(rules, f.Rule)
	}
	return rules
}

func TestAuthentication_Accepts(t *testing.T) {
	t.Parallel()
	required := "  claimValidationRules: [{claim: hd, requiredValue: example.org}]\n"
	tests := []struct {
		reason, text string
		token        trust.Token
		want         bool
	}{
		{"a token of the issuer", entryOf(prefixed), person(), true},
		{"an audience among others", entryOf(prefixed), person("aud", []any{"x", "cluster"}), true},
		{"another audience", entryOf(prefixed), person("aud", "x"), false},
		{"another issuer", entryOf(prefixed), person("iss", idp+"/"), false},
		{"no claim for the username", entryOf(prefixed), person().Without("sub"), false},
		{"a username that is a list", entryOf(prefixed), person("sub", []any{"mei"}), false},
		{"groups that are one text", entryOf(prefixed), person("groups", "dev"), true},
		{"groups with a number", entryOf(prefixed), person("groups", []any{"dev", float64(1)}), false},
		{"no groups", entryOf(prefixed), person().Without("groups"), true},
		{"a required claim", entryOf(prefixed, required), person("hd", "example.org"), true},
		{"a required claim that is absent", entryOf(prefixed, required), person(), false},
		{"a required claim that is a list", entryOf(prefixed, required), person("hd", []any{"example.org"}), false},
		{"a rule that holds", entryOf(prefixed, claimRules("claims.sub.startsWith('me')")), person(), true},
		{"a rule that does not", entryOf(prefixed, claimRules("claims.sub.startsWith('x')")), person(), false},
		{"a rule on a claim that is absent", entryOf(prefixed, claimRules("claims.hd == 'example.org'")), person(), false},
		{"an optional claim", entryOf(prefixed, claimRules("claims.?hd.orValue('x') == 'x'")), person(), true},
		{"one of two rules fails", entryOf(prefixed, claimRules("true", "has(claims.hd)")), person(), false},
		{"|| makes a rule hold", entryOf(prefixed, claimRules("claims.sub == 'x' || true")), person(), true},
		{"a number in a rule", entryOf(prefixed, claimRules("claims.n == 3")), person(), true},
		{"a set", entryOf(prefixed, claimRules("sets.contains(['dev', 'ops'], claims.groups)")), person(), true},
		{"a pattern", entryOf(prefixed, claimRules("claims.email.matches('^[^@]+@example[.]org$')")), person(), true},
		{"find of Kubernetes", entryOf(prefixed, claimRules("claims.email.find('@.*') == '@example.org'")), person(), true},
		{"findAll of Kubernetes", entryOf(prefixed, claimRules("claims.sub.findAll('[a-z]').size() == 3")), person(), true},
		{"indexOf of Kubernetes", entryOf(prefixed, claimRules("['a', 'mei'].indexOf(claims.sub) == 1")), person(), true},
		{"a name with a dot", entryOf(prefixed, claimRules("claims['k8s.io'].ns == 'x'")), person("k8s.io", map[string]any{"ns": "x"}), true},
		{"an escaped dot", entryOf(prefixed, claimRules("claims.k8s__dot__io.ns == 'x'")), person("k8s.io", map[string]any{"ns": "x"}), true},
		{"a rule for users sees the prefix", entryOf(prefixed, userRules("user.username == 'oidc:mei'")), person(), true},
		{"a rule for groups", entryOf(prefixed, userRules("user.groups.all(g, g == 'oidc:dev')")), person("groups", []any{"dev", "ops"}), false},
		{"a rule for groups without groups", entryOf(prefixed, userRules("user.groups.all(g, g == 'oidc:dev')")), person().Without("groups"), true},
		{"an expression for the username", entryOf(`username: {expression: "'x:' + claims.sub"}`, userRules("user.username == 'x:mei'")), person(), true},
		{"an expression that is no text", entryOf(`username: {expression: "claims.groups"}`), person(), false},
		{"an empty username", entryOf(`username: {expression: "claims.sub"}`), person("sub", ""), false},
		{"an extra attribute", entryOf(`username: {claim: sub, prefix: "x:"}, extra: [{key: example.org/g, valueExpression: claims.groups}]`, userRules("user.extra['example.org/g'] == ['dev']")), person(), true},
		{"an unverified address", entryOf(`username: {claim: email, prefix: "x:"}`), person("email_verified", false), false},
		{"an address that says nothing", entryOf(`username: {claim: email, prefix: "x:"}`), person(), true},
		{"no token", entryOf(prefixed), nil, false},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			m := parsed(t, test.text)
			if len(m.Trusts) != 1 {
				t.Fatalf("%d trusts: %+v", len(m.Trusts), m.Findings)
			}
			if got := m.Trusts[0].Accepts(test.token); got.Accepted != test.want || got.Undecided != "" {
				t.Errorf("Accepts = %+v, want %v", got, test.want)
			}
		})
	}
}

func TestAuthentication_IsUndecidedWhereItDoesNotModel(t *testing.T) {
	t.Parallel()
	tests := []struct {
		reason, text        string
		accepted, undecided bool
	}{
		{"an address", entryOf(prefixed, claimRules("ip('10.0.0.1').family() == 4")), true, true},
		{"a quantity", entryOf(prefixed, claimRules("quantity('1M').isLessThan(quantity('2M'))")), true, true},
		{"a URL", entryOf(prefixed, claimRules("url(claims.iss).getHost() == 'idp.example'")), true, true},
		{"a text that is made", entryOf(prefixed, claimRules("'%s'.format([claims.sub]) == 'mei'")), true, true},
		{"a rule that is known to fail decides", entryOf(prefixed, claimRules("isIP('x')", "claims.sub == 'x'")), false, false},
		{"a rule for users that is known to fail decides", entryOf(prefixed, claimRules("isIP('x')"), userRules("user.username == 'x'")), false, false},
		{"|| may decide", entryOf(prefixed, claimRules("claims.sub == 'mei' || isIP('x')")), true, false},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			m := parsed(t, test.text)
			if len(m.Trusts) != 1 {
				t.Fatalf("findings %+v", m.Findings)
			}
			got := m.Trusts[0].Accepts(person())
			if got.Accepted != test.accepted || (got.Undecided != "") != test.undecided {
				t.Errorf("Accepts = %+v", got)
			}
		})
	}
}

func TestAuthentication_EndsInBoundedTime(t *testing.T) {
	t.Parallel()
	nested := func(before, after string) string {
		return strings.Repeat(before, 24) + "[1]" + strings.Repeat(after, 24)
	}
	double := nested("[", "].map(x, [x, x])[0]")
	tests := map[string]string{
		"lists in lists":       double + " == " + double,
		"joined lists":         nested("[", "].map(x, x + x)[0]") + ".size() == 1",
		"replaced texts":       "'" + strings.Repeat("a", 1000) + "'" + strings.Repeat(".replace('a', '"+strings.Repeat("a", 500)+"')", 8) + " == ''",
		"joined texts":         "'" + strings.Repeat("a", 2000) + "'" + strings.Repeat(".split('').join('"+strings.Repeat("b", 400)+"')", 6) + " == ''",
		"nested loops":         "[1,2,3,4,5,6,7,8,9,0].all(a, " + strings.Repeat("[1,2,3,4,5,6,7,8,9,0].all(a, ", 8) + "true" + strings.Repeat(")", 9),
		"deep parentheses":     strings.Repeat("(", 2000) + "true" + strings.Repeat(")", 2000),
		"a large pattern":      "claims.sub.matches('((a{100}){100}){100}')",
		"a pattern on a claim": "claims.sub.matches('(a*)*(a*)*(a*)*b')",
		"too long":             "'" + strings.Repeat("x", maxExpression) + "' == ''",
	}
	for name, expression := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := parsed(t, entryOf(prefixed, claimRules(expression)))
			for _, one := range m.Trusts {
				one.Accepts(person("sub", strings.Repeat("a", 2000)))
			}
		})
	}
}

func TestAuthentication_Finds(t *testing.T) {
	t.Parallel()
	open := `username: {claim: sub, prefix: ""}`
	groups := `username: {claim: sub, prefix: "oidc:"}, groups: {claim: groups, prefix: ""}`
	email := `username: {claim: email, prefix: "oidc:"}`
	tests := []struct {
		reason, text string
		want         []string
		evidence     bool
	}{
		{"a sound entry", entryOf(prefixed), nil, false},
		{"a sound entry with rules", entryOf(open, userRules("!user.username.startsWith('system:')")), nil, false},
		{"a username without prefix", entryOf(open), []string{"K12"}, true},
		{"a rule for claims forbids it", entryOf(open, claimRules("!claims.sub.startsWith('system:')")), nil, false},
		{"a rule for claims allows few", entryOf(open, claimRules("claims.sub in ['mei', 'ada']")), nil, false},
		{"a rule that allows it all the same", entryOf(open, claimRules("claims.sub != '' || true")), []string{"K12"}, true},
		{"a rule that only forbids admin", entryOf(open, userRules("user.username != 'system:admin'")), []string{"K12"}, true},
		{"rules that the witness must meet", entryOf(open, claimRules("claims.hd == 'example.org'", "claims.a.b.startsWith('x')")), []string{"K12"}, true},
		{"rules that cannot be met", entryOf(open, claimRules("claims.hd.matches('^a+b$')")), []string{"K12"}, false},
		{"groups without prefix", entryOf(groups), []string{"K12"}, true},
		{"a rule for users forbids it", entryOf(groups, userRules("user.groups.all(g, !g.startsWith('system:'))")), nil, false},
		{"an expression for groups", entryOf(`username: {claim: sub, prefix: "x:"}, groups: {expression: claims.roles}`), []string{"K12"}, true},
		{"an expression for groups with a prefix", entryOf(`username: {claim: sub, prefix: "x:"}, groups: {expression: "claims.roles.map(r, 'x:' + r)"}`), nil, false},
		{"an address as username", entryOf(email), []string{"K11"}, true},
		{"an address that must be verified", entryOf(email, claimRules("has(claims.email_verified) && claims.email_verified == true")), nil, false},
		{"an address in an expression", entryOf(`username: {expression: "'x:' + claims.email"}`, claimRules("claims.?email_verified.orValue(true) == true")), []string{"K11"}, true},
		{"an address in an expression without a rule", entryOf(`username: {expression: "'x:' + claims.email"}`), []string{"K10"}, false},
		{"a name that changes", entryOf(`username: {claim: preferred_username, prefix: "x:"}`), []string{"K11"}, false},
		{"the prefix that means none for a flag", entryOf(`username: {claim: sub, prefix: "-"}`), []string{"K14"}, false},
		{"GitHub's sub has a form", strings.ReplaceAll(entryOf(open), idp, "https://token.actions.githubusercontent.com"), nil, false},
		{"the audience of a cloud", strings.ReplaceAll(entryOf(prefixed), "[cluster]", "[sts.amazonaws.com]"), []string{"W08"}, false},
		{"anonymous requests", entryOf(prefixed, "anonymous: {enabled: true}\n"), []string{"K13"}, false},
		{"anonymous requests for health", entryOf(prefixed, "anonymous: {enabled: true, conditions: [{path: /livez}]}\n"), nil, false},
		{"anonymous requests for more", entryOf(prefixed, "anonymous: {enabled: true, conditions: [{path: /livez}, {path: /api}]}\n"), []string{"K13"}, false},
		{"no anonymous requests", entryOf(prefixed, "anonymous: {enabled: false}\n"), nil, false},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			m := parsed(t, test.text)
			if got := rules(m.Findings); !slices.Equal(got, test.want) {
				t.Fatalf("rules = %v, want %v: %+v", got, test.want, m.Findings)
			}
			for _, f := range m.Findings {
				if f.File != "f.yaml" || f.Line == 0 || f.Message == "" || f.Fix == "" || f.Trust == "" {
					t.Errorf("an incomplete finding: %+v", f)
				}
				if (f.AcceptedToken != nil) != test.evidence {
					t.Errorf("evidence %v, want %v: %s", f.AcceptedToken, test.evidence, f.Message)
				}
				if test.evidence && !m.Trusts[0].Accepts(f.AcceptedToken).Accepted {
					t.Errorf("the trust does not accept the evidence %v", f.AcceptedToken)
				}
			}
		})
	}
}

func TestAuthentication_ReportsWhatTheServerRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ reason, text, want string }{
		{"a rule that does not parse", entryOf(prefixed, claimRules("claims.sub ==")), "claimValidationRules[0].expression does not compile"},
		{"a rule that is a text", entryOf(prefixed, claimRules("'x'")), "must evaluate to bool"},
		{"a rule that may be anything", entryOf(prefixed, claimRules("claims.admin")), "must evaluate to bool"},
		{"a variable that is not there", entryOf(prefixed, claimRules("user.username == 'x'")), "undeclared reference"},
		{"claims in a rule for users", entryOf(prefixed, userRules("claims.sub == 'x'")), "undeclared reference"},
		{"a field that users do not have", entryOf(prefixed, userRules("user.name == 'x'")), `no field "name"`},
		{"a function that is not there", entryOf(prefixed, claimRules("claims.sub.extract('{x}') == 'x'")), "undeclared reference to 'extract'"},
		{"a bad pattern", entryOf(prefixed, claimRules("claims.sub.matches('(')")), "does not compile"},
		{"no prefix", entryOf("username: {claim: sub}"), "claimMappings.username.prefix is missing"},
		{"no username", entryOf(`groups: {claim: g, prefix: "x:"}`), "claimMappings.username has no claim"},
		{"claim and expression", entryOf(`username: {claim: sub, expression: claims.sub}`), "has a claim and an expression"},
		{"an expression with a prefix", entryOf(`username: {expression: claims.sub, prefix: "x:"}`), "has an expression and a prefix"},
		{"an expression that does not compile", entryOf(`username: {expression: "claims."}`), "claimMappings.username.expression does not compile"},
		{"a misspelled list of rules", entryOf(prefixed, "  claimValidationRule: []\n"), "claimValidationRule is no field"},
		{"a key of Kubernetes", entryOf(`username: {claim: sub, prefix: "x:"}, extra: [{key: a.kubernetes.io/x, valueExpression: "'x'"}]`), "is in a domain of Kubernetes"},
		{"a key without domain", entryOf(`username: {claim: sub, prefix: "x:"}, extra: [{key: x, valueExpression: "'x'"}]`), "is no path below a domain"},
		{"http", strings.ReplaceAll(entryOf(prefixed), "https://", "http://"), "issuer.url is no https URL"},
		{"no audience", strings.ReplaceAll(entryOf(prefixed), "[cluster]", "[]"), "issuer.audiences is empty"},
		{"two audiences without policy", strings.ReplaceAll(entryOf(prefixed), "[cluster]", "[a, b]"), "issuer.audienceMatchPolicy"},
		{"an unknown version", strings.ReplaceAll(entryOf(prefixed), "k8s.io/v1", "k8s.io/v2"), "apiVersion is"},
		{"an empty rule", entryOf(prefixed, "  claimValidationRules: [{message: x}]\n"), "has no claim and no expression"},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			m := parsed(t, test.text)
			i := slices.IndexFunc(m.Findings, func(f trust.Finding) bool { return f.Rule == "K10" && strings.Contains(f.Message, test.want) })
			if i < 0 {
				t.Fatalf("no finding K10 with %q: %+v", test.want, m.Findings)
			}
			if strings.Contains(m.Findings[i].Message, "\n") || m.Findings[i].Line == 0 {
				t.Errorf("finding = %+v", m.Findings[i])
			}
		})
	}
}

func TestAuthentication_OneIssuerTwice(t *testing.T) {
	t.Parallel()
	entry := "- issuer: {url: " + idp + ", audiences: [c]}\n  claimMappings: {" + prefixed + "}\n"
	m := parsed(t, "apiVersion: apiserver.config.k8s.io/v1beta1\nkind: AuthenticationConfiguration\njwt:\n"+entry+entry)
	if got := rules(m.Findings); !slices.Equal(got, []string{"K10"}) || m.Findings[0].Line != 6 || len(m.Trusts) != 1 || m.Trusts[0].At.Line != 4 {
		t.Errorf("findings = %+v, trusts = %+v", m.Findings, m.Trusts)
	}
}

func TestAuthentication_Comparisons(t *testing.T) {
	t.Parallel()
	text := entryOf(prefixed, claimRules(
		"claims.hd == 'a' && 'b' != claims.x.y", "claims.ns in ['p', 'q']", "claims['k8s.io']['ns'].startsWith('n') || claims.s.endsWith('z')",
		"has(claims.p) && claims.m.matches('^r') && claims.c.contains('d')", "claims.groups.exists(g, g == 'ops')",
		"!claims.q.startsWith('w') && !(claims.u == 'y')", "claims.?o.orValue('v') == 'v'", "claims.l.lowerAscii() == 'low'", "claims.b == true"),
		userRules("user.username.startsWith('oidc:m')"))
	want := []string{
		"aud equal [cluster] false", "hd equal [a] false", "x.y not-equal [b] false", "ns equal [p q] false", "k8s.io.ns prefix [n] false",
		"s suffix [z] false", "p present [] false", "m regexp [^r] false", "c contains [d] false", "groups equal [ops] false",
		"q not-matches [w*] false", "u not-equal [y] false", "o equal [v] true", "l equal-fold [low] false", "b other [] false", "sub prefix [m] false",
	}
	m := parsed(t, text)
	if len(m.Trusts) != 1 {
		t.Fatalf("findings %+v", m.Findings)
	}
	var got []string
	for _, c := range m.Trusts[0].Comparisons {
		got = append(got, fmt.Sprintf("%s %s %v %v", strings.Join(c.Claim, "."), c.Operator, c.Values, c.Optional))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("comparisons:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAuthentication_RuleNeverAcceptsMore(t *testing.T) {
	t.Parallel()
	expressions := []string{
		"claims.sub == 'a'", "claims.sub != 'a'", "claims.sub.startsWith('a')", "has(claims.x)", "claims.x == 'b'", "claims.groups.exists(g, g == 'a')",
		"size(claims.groups) < 2", "claims.?x.orValue('a') == 'a'", "isIP(claims.sub)",
	}
	rapid.Check(t, func(t *rapid.T) {
		picked := rapid.SliceOfNDistinct(rapid.SampledFrom(expressions), 1, 4, rapid.ID).Draw(t, "rules")
		token := person("sub", rapid.SampledFrom([]string{"a", "ab", "b"}).Draw(t, "sub"))
		if rapid.Bool().Draw(t, "has x") {
			token = token.With("x", "b")
		}
		shorter, err := Parse("f", []byte(entryOf(prefixed, claimRules(picked[1:]...))))
		if err != nil {
			t.Fatal(err)
		}
		longer, err := Parse("f", []byte(entryOf(prefixed, claimRules(picked...))))
		if err != nil {
			t.Fatal(err)
		}
		if longer.Trusts[0].Accepts(token).Accepted && !shorter.Trusts[0].Accepts(token).Accepted {
			t.Fatalf("%v accepts %v, without the first it is refused", picked, token)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(entryOf(prefixed, claimRules("claims.sub.startsWith('a')"), userRules("user.groups.all(g, g != 'x')"))))
	f.Add([]byte(seedPod))
	f.Add([]byte(`{"kind": "List", "items": [{"kind": "ClusterRole", "rules": [{"apiGroups": [""], "resources": ["*"], "verbs": ["*"]}]}]}`))
	f.Add([]byte("kind: ConfigMap\ndata:\n  a: '{\"type\": \"external_account\", \"credential_source\": {\"file\": \"/x\"}}'\n"))
	f.Add([]byte("spec: {containers: [{volumeMounts: [{name: v, mountPath: /a, subPath: b}]}], volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: b}}]}}]}"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		m, _ := Parse("f", text)
		for _, one := range m.Trusts {
			one.Accepts(person())
		}
		Relate([]Manifests{m}, m.Trusts)
	})
}

func FuzzExpression(f *testing.F) {
	c, err := newCompiler()
	if err != nil {
		f.Fatal(err)
	}
	f.Add("claims.sub == 'a' || claims.groups.exists(g, g.startsWith('x'))")
	f.Add("[[1]].map(x, x + x)[0].size() == 2 && 'a'.replace('a', 'b') == 'b'")
	f.Add("ip('1.1.1.1').family() == 4 && claims.?a.b.orValue('').find('x') == ''")
	f.Fuzz(func(_ *testing.T, source string) {
		p, err := c.claimsProgram(source, false)
		if err != nil {
			return
		}
		_, _ = p.eval("claims", person())
		comparisons(p.tree, nil)
	})
}

func TestParse_RefusesBomb(t *testing.T) {
	t.Parallel()
	text := "a: &a " + strings.Repeat("y", 30_000) + "\nb: [" + strings.Repeat("*a, ", 9_000) + "*a]\n"
	if _, err := Parse("f", []byte(text)); !errors.Is(err, manifest.ErrTooLarge) {
		t.Errorf("got the error %v, want ErrTooLarge: 60 KB stand for 270 MB", err)
	}
}

func BenchmarkAccepts(b *testing.B) {
	for name, text := range map[string]string{
		"claim":      entryOf(prefixed),
		"expression": entryOf(prefixed, claimRules("claims.hd == 'example.org' && claims.groups.exists(g, g == 'dev')"), userRules("!user.username.startsWith('system:')")),
	} {
		m, err := Parse("f", []byte(text))
		if err != nil || len(m.Trusts) != 1 {
			b.Fatal(err, m.Findings)
		}
		token := person("hd", "example.org")
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Trusts[0].Accepts(token)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for name, text := range map[string]string{"authentication": entryOf(prefixed, claimRules("claims.hd == 'example.org'")), "pod": seedPod} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Parse("f", []byte(text)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
