package gcp

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

func TestProvider_Comparisons(t *testing.T) {
	type list = []trust.Comparison
	one := func(claim string, operator trust.Operator, values ...string) list {
		return list{{Claim: []string{claim}, Operator: operator, Values: values}}
	}
	optional := func(l list) list {
		for i := range l {
			l[i].Optional = true
		}
		return l
	}
	items := func(l list) list {
		for i := range l {
			l[i].List = true
		}
		return l
	}
	both := func(lists ...list) (all list) {
		for _, l := range lists {
			all = append(all, l...)
		}
		return all
	}
	cases := []struct {
		reason    string
		mapping   map[string]string
		condition string
		want      list
	}{
		{"equality", nil, "assertion.ref == 'main'", one("ref", trust.Equal, "main")},
		{"equality the other way round", nil, "'main' == assertion.ref", one("ref", trust.Equal, "main")},
		{"inequality", nil, "assertion.ref != 'main'", one("ref", trust.NotEqual, "main")},
		{"negated equality", nil, "!(assertion.ref == 'main')", one("ref", trust.NotEqual, "main")},
		{"negated twice", nil, "!(assertion.ref != 'main')", one("ref", trust.Equal, "main")},
		{"a list", nil, "assertion.ref in ['a', 'b']", one("ref", trust.Equal, "a", "b")},
		{"a map", nil, "assertion.ref in {'a': 1, 'b': 2}", one("ref", trust.Equal, "a", "b")},
		{"a list claim", nil, "'a' in assertion.groups", items(one("groups", trust.Equal, "a"))},
		{"not in a list", nil, "!(assertion.ref in ['a'])", one("ref", trust.NotEqual, "a")},
		{"startsWith", nil, "assertion.ref.startsWith('a')", one("ref", trust.Prefix, "a")},
		{"endsWith", nil, "assertion.ref.endsWith('a')", one("ref", trust.Suffix, "a")},
		{"contains", nil, "assertion.ref.contains('a')", one("ref", trust.Contains, "a")},
		{"matches", nil, "assertion.ref.matches('^a')", one("ref", trust.Regexp, "^a")},
		{"not startsWith", nil, "!assertion.ref.startsWith('a')", one("ref", trust.NotMatches, "a")},
		{"lowerAscii", nil, "assertion.ref.lowerAscii() == 'a'", one("ref", trust.EqualFold, "a")},
		{"extract between", nil, "assertion.sub.extract('repo:{r}:') == 'acme/app'", one("sub", trust.Contains, "repo:acme/app:")},
		{"extract from the start", nil, "assertion.repository.extract('{o}/') == 'acme'", one("repository", trust.Prefix, "acme/")},
		{"extract to the end", nil, "assertion.sub.extract('ref:{r}') == 'main'", one("sub", trust.Suffix, "ref:main")},
		{"split is not modelled", nil, "assertion.sub.split(':')[1] == 'a'", one("sub", trust.Other, "a")},
		{"a number is not modelled", nil, "assertion.repository_id == 2", one("repository_id", trust.Other, "2")},
		{"has", nil, "has(assertion.ref)", one("ref", trust.Present)},
		{"in the token", nil, "'ref' in assertion", one("ref", trust.Present)},
		{"a nested claim", nil, "assertion['kubernetes.io']['namespace'] == 'a'", list{{Claim: []string{"kubernetes.io", "namespace"}, Operator: trust.Equal, Values: []string{"a"}}}},
		{"a nested claim by dots", nil, "assertion.act.sub == 'a'", list{{Claim: []string{"act", "sub"}, Operator: trust.Equal, Values: []string{"a"}}}},
		{"a conjunction", nil, "assertion.a == '1' && assertion.b == '2'", both(one("a", trust.Equal, "1"), one("b", trust.Equal, "2"))},
		{"a disjunction passes without a claim", nil, "assertion.a == '1' || assertion.b == '2'", optional(both(one("a", trust.Equal, "1"), one("b", trust.Equal, "2")))},
		{"a disjunction of one claim needs it", nil, "assertion.a == '1' || assertion.a.startsWith('2')", both(one("a", trust.Equal, "1"), one("a", trust.Prefix, "2"))},
		{"a disjunction with true", nil, "assertion.a == '1' || true", optional(one("a", trust.Equal, "1"))},
		{"an absent claim passes", nil, "!has(assertion.a) || assertion.a == '1'", optional(both(one("a", trust.Other), one("a", trust.Equal, "1")))},
		{"a conditional", nil, "has(assertion.a) ? assertion.a == '1' : true", optional(both(one("a", trust.Present), one("a", trust.Equal, "1")))},
		{
			"a mapping needs the claim",
			map[string]string{"google.subject": "assertion.sub", "attribute.a": "assertion.a"}, "!has(assertion.a) || assertion.a == '1'",
			both(one("a", trust.Other), one("a", trust.Equal, "1")),
		},
		{
			"through an attribute",
			map[string]string{"google.subject": "assertion.sub", "attribute.owner": "assertion.repository_owner_id"}, "attribute.owner == '1'",
			one("repository_owner_id", trust.Equal, "1"),
		},
		{"through google.subject with a literal", subjectFrom("'prod::' + assertion.sub"), "google.subject == 'prod::a'", one("sub", trust.Equal, "a")},
		{"an impossible prefix is not modelled", subjectFrom("'prod::' + assertion.sub"), "google.subject == 'dev::a'", one("sub", trust.Other, "dev::a")},
		{"a prefix through a literal", subjectFrom("'p:' + assertion.sub"), "google.subject.startsWith('p:a')", one("sub", trust.Prefix, "a")},
		{"exists over literals", nil, "['a', 'b'].exists(x, assertion.sub.startsWith(x))", one("sub", trust.Prefix, "a", "b")},
		{"exists over a claim", nil, "assertion.groups.exists(g, g == 'a')", items(one("groups", trust.Equal, "a"))},
		{"a sum of literals", nil, "assertion.ref == 'refs/' + 'heads/main'", one("ref", trust.Equal, "refs/heads/main")},
		{"a literal after the claim", subjectFrom("assertion.sub + '@prod'"), "google.subject == 'a@prod'", one("sub", trust.Equal, "a")},
		{"a suffix through a literal", subjectFrom("assertion.sub + '@prod'"), "google.subject.endsWith('a@prod')", one("sub", trust.Suffix, "a")},
		{"a sum of claims is not modelled", nil, "assertion.a + assertion.b == 'x'", one("a", trust.Other, "x")},
		{"extract from extract is not modelled", nil, "assertion.sub.extract('a{x}').extract('{y}b') == 'x'", one("sub", trust.Other, "x")},
		{"a prefix of an extract", nil, "assertion.sub.extract('repo:{r}:').startsWith('acme/')", one("sub", trust.Contains, "repo:acme/")},
		{"a suffix of an extract is not modelled", nil, "assertion.sub.extract('repo:{r}:').endsWith('app')", one("sub", trust.Other, "app")},
		{"a list of claims", nil, "'x' in [assertion.a, assertion.b]", both(one("a", trust.Equal, "x"), one("b", trust.Equal, "x"))},
		{"a size is not modelled", nil, "size(assertion.ref) > 3", one("ref", trust.Other, "3")},
		{"a claim as a pattern is not modelled", nil, "'x'.startsWith(assertion.ref)", one("ref", trust.Other, "x")},
		{"a negated conjunction passes without a claim", nil, "!(assertion.a == '1' && assertion.b == '2')", optional(both(one("a", trust.NotEqual, "1"), one("b", trust.NotEqual, "2")))},
		{"a negated disjunction needs the claims", nil, "!(assertion.a == '1' || assertion.b == '2')", both(one("a", trust.NotEqual, "1"), one("b", trust.NotEqual, "2"))},
		{"two claims", nil, "assertion.a == assertion.b", both(one("a", trust.Other), one("b", trust.Other))},
		{"literals alone", nil, "'a' == 'b'", nil},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			report := &findings{}
			p := newProvider(githubProvider(c.mapping, c.condition), report)
			if p.refuses {
				t.Fatalf("the provider is refused: %v", report.list)
			}
			if diff := cmp.Diff(c.want, p.comparisons, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("comparisons (-want +got):\n%s", diff)
			}
		})
	}
}

func TestProvider_ComparisonsOfAWS(t *testing.T) {
	p := newProvider(Provider{Name: providerName, AWS: &AWS{AccountID: "1"}, AttributeCondition: "attribute.aws_role == 'arn:aws:sts::1:assumed-role/writer'"}, &findings{})
	want := trust.Comparison{Claim: []string{"account"}, Operator: trust.Equal, Values: []string{"1"}}
	if got := p.comparisons[len(p.comparisons)-1]; !cmp.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
