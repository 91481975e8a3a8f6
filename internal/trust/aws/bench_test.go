package aws

import (
	"testing"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// examplePolicy is a policy as the documentation of GitHub recommends it, with a Deny.
func examplePolicy() string {
	return policyOf(
		allow(githubPrincipal, `{"StringEquals":{"`+github+`:aud":"sts.amazonaws.com","`+github+`:repository_id":"42"},`+
			`"StringLike":{"`+github+`:sub":["repo:acme/app:ref:refs/tags/v*","repo:acme/app:ref:refs/heads/*"]}}`),
		deny(`"*"`, `{"StringLike":{"`+github+`:sub":"*:pull_request"}}`),
	)
}

func BenchmarkParse(b *testing.B) {
	text := []byte(examplePolicy())
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Parse("role.json", text, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAccepts(b *testing.B) {
	d, err := Parse("role.json", []byte(examplePolicy()), nil)
	if err != nil {
		b.Fatal(err)
	}
	accepts := d.Trusts[0].Accepts
	for _, c := range []struct {
		name  string
		token trust.Token
		want  bool
	}{
		{"accepted", githubToken(), true},
		{"refused", githubToken("sub", "repo:evil/app:ref:refs/heads/main"), false},
		{"audience list", githubToken("aud", []any{"sts.amazonaws.com"}), true},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if accepts(c.token).Accepted != c.want {
					b.Fatal("wrong decision")
				}
			}
		})
	}
}
