package gcp

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMapping_Matches(t *testing.T) {
	t.Parallel()
	const namespace, name = "assertion['kubernetes.io']['namespace']", "assertion['kubernetes.io']['serviceaccount']['name']"
	tests := []struct {
		reason     string
		expression string
		value      string
		want       []string
		unknown    bool
	}{
		{reason: "a claim", expression: "assertion.sub", value: "a:b", want: []string{"sub=a:b"}},
		{reason: "a text before a claim", expression: "'prod::' + assertion.sub", value: "prod::a", want: []string{"sub=a"}},
		{reason: "another text before it", expression: "'prod::' + assertion.sub", value: "test::a"},
		{reason: "only the text", expression: "'prod::' + assertion.sub", value: "prod::"},
		{
			reason: "two claims", expression: namespace + " + '/' + " + name, value: "data/writer",
			want: []string{"kubernetes.io.namespace=data kubernetes.io.serviceaccount.name=writer"},
		},
		{
			reason: "two claims whose border is not clear", expression: "assertion.a + '-' + assertion.b", value: "x-y-z",
			want: []string{"a=x b=y-z", "a=x-y b=z"},
		},
		{reason: "one branch of a conditional", expression: "has(assertion.e) ? 'e:' + assertion.e : assertion.r", value: "e:1", want: []string{"e=1", "r=e:1"}},
		{reason: "what extract returns", expression: "assertion.sub.extract('repo:{r}:')", value: "a/b", want: []string{"sub=a/b"}},
		{reason: "a function that is not inverted", expression: "assertion.sub.replace('a', 'b')", value: "b", unknown: true},
		{reason: "letters of any case", expression: "assertion.sub.lowerAscii()", value: "b", unknown: true},
		{
			reason: "more ways than are tried", expression: "assertion.a + assertion.b + assertion.c", value: strings.Repeat("x", 100),
			unknown: true,
		},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			env, err := compilers()
			if err != nil {
				t.Fatal(err)
			}
			e, err := compile(env.mapping, test.expression, maxMapping)
			if err != nil {
				t.Fatal(err)
			}
			matches, known := mapping{expression: e}.matches(test.value)
			if known == test.unknown {
				t.Errorf("matches() is known %v, want %v", known, !test.unknown)
			}
			if test.unknown {
				return
			}
			var got []string
			for _, parts := range matches {
				var texts []string
				for _, p := range parts {
					texts = append(texts, fmt.Sprintf("%s=%s", strings.Join(p.claim, "."), p.value))
				}
				got = append(got, strings.Join(texts, " "))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("matches() differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInput_BoundsProvidersOfMember(t *testing.T) {
	t.Parallel()
	var in Input
	for i := range maxProviders + 10 {
		p := githubProvider(nil, "assertion.repository_id == '1'")
		p.Name += strconv.Itoa(i)
		in.Providers = append(in.Providers, p)
	}
	in.Policies = []Policy{grant(1, "b", "roles/storage.admin", subjectMember+"x")}
	trusts, found := in.Trusts()
	if want := len(in.Providers) + maxProviders; len(trusts) != want {
		t.Errorf("%d trusts, want %d", len(trusts), want)
	}
	count := 0
	for _, f := range found {
		if f.Rule == "U01" {
			count++
		}
	}
	if count != 1 {
		t.Errorf("%d findings of U01, want one: %v", count, found)
	}
}
