package authz_test

import (
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/authz"
)

// BenchmarkRights measures what each request of a server costs: the rights of a caller under
// 100 rules, and one question.
func BenchmarkRights(b *testing.B) {
	var rules []string
	for range 100 {
		rules = append(rules, "{callers: {issuer: '"+issuer+"', claims: {groups: [others, team]}}, roles: [editor], workspaces: [marketing]}")
	}
	p := policies(b, strings.Join(rules, ", "))
	caller := authz.Caller{Actor: user(b, "ada"), Claims: authz.ClaimMap{"groups": []any{"a", "b", "team"}}}
	tenant := access.TenantID{Workspace: "marketing", Project: "p", Platform: "m.a"}
	for b.Loop() {
		if d := p.Rights(caller).AllowTenants("Status", tenant); !d.Allowed {
			b.Fatal(d.Reason)
		}
	}
}

// BenchmarkRights_AllowChanges decides about 1,000 bindings.
func BenchmarkRights_AllowChanges(b *testing.B) {
	doc := decode(b, binding)[0]
	changes := make([]authz.Change, 1000)
	for i := range changes {
		changes[i].After = &doc
	}
	r := rights(b, "editor of marketing")
	for b.Loop() {
		if d := r.AllowChanges("Apply", changes); !d.Allowed {
			b.Fatal(d.Reason)
		}
	}
}
