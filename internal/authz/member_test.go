package authz_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/authz"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/document/documenttest"
)

// known is a policy whose callers are meshUsers by the claim oid.
const known = "{apiVersion: v1, kind: AccessPolicy, metadata: {name: users}, spec: {users: [{issuer: 'https://login.example.com', euidClaim: oid}]}}"

// organization has a user in each way to a workspace role.
const organization = `
{apiVersion: v2, kind: meshUser, metadata: {name: ada}, spec: {euid: "1", email: ada@example.com}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: ben}, spec: {euid: "2"}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: twin}, spec: {euid: "3"}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: twin2}, spec: {euid: "3"}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: none}, spec: {}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: crew, ownedByWorkspace: marketing}, spec: {members: [ben]}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: crew}, spec: {members: [ada]}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: crew, ownedByWorkspace: sales}, spec: {members: []}}
--- {apiVersion: v2, kind: meshWorkspaceUserBinding, metadata: {name: a}, roleRef: {name: Workspace Manager}, targetRef: {name: design}, subject: {name: ada}}
--- {apiVersion: v2, kind: meshWorkspaceUserBinding, metadata: {name: b}, roleRef: {name: Workspace Member}, targetRef: {name: old}, subject: {name: ada}, expiryDate: "2026-05-31"}
--- {apiVersion: v2, kind: meshWorkspaceUserBinding, metadata: {name: t}, roleRef: {name: Workspace Owner}, targetRef: {name: design}, subject: {name: twin}}
--- {apiVersion: v2, kind: meshWorkspaceGroupBinding, metadata: {name: g1}, roleRef: {name: Workspace Owner}, targetRef: {name: marketing}, subject: {name: crew}}
--- {apiVersion: v2, kind: meshWorkspaceGroupBinding, metadata: {name: g2}, roleRef: {name: Workspace Member}, targetRef: {name: tools}, subject: {name: crew}}
--- {apiVersion: v2, kind: meshWorkspaceGroupBinding, metadata: {name: g3}, roleRef: {name: Workspace Owner}, targetRef: {name: sales}, subject: {name: crew}}
`

func TestPolicies_RightsWith(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	otherClaim := strings.NewReplacer("name: users", "name: more", "euidClaim: oid", "euidClaim: sub2").Replace(known)
	verified := user(t, "s")
	for _, tt := range []struct {
		reason          string
		policies        string
		actor           access.Actor
		claims          string
		revoked         []document.Revocation
		editor, readers []string
	}{
		{"a manager edits, a member of the global group reads, an ended binding gives nothing", known, verified, `{"oid": "1"}`, nil,
			[]string{"design"}, []string{"design", "tools"}},
		{"a workspace's group stands before the global one", known, verified, `{"oid": "2"}`, nil, []string{"marketing"}, []string{"marketing"}},
		{"two users with one euid are none", known, verified, `{"oid": "3"}`, nil, nil, nil},
		{"an empty euid is of no user", known, verified, `{"oid": ""}`, nil, nil, nil},
		{"the address is no euid", known, verified, `{"oid": "x", "email": "ada@example.com", "preferred_username": "ada"}`, nil, nil, nil},
		{"the name is no euid", known, verified, `{"oid": "ada"}`, nil, nil, nil},
		{"blanks count", known, verified, `{"oid": "1 "}`, nil, nil, nil},
		{"a list of two is no euid", known, verified, `{"oid": ["1", "2"]}`, nil, nil, nil},
		{"a number is no euid", known, verified, `{"oid": 1}`, nil, nil, nil},
		{"without the claim", known, verified, `{}`, nil, nil, nil},
		{"without claims", known, verified, `null`, nil, nil, nil},
		{"the user of another issuer", known, actor(t, access.VerifiedUser, "https://evil.example.com", "s"), `{"oid": "1"}`, nil, nil, nil},
		{"a workload is no user", known, actor(t, access.Workload, issuer, "s"), `{"oid": "1"}`, nil, nil, nil},
		{"a host's user is not verified", known, access.Actor{Kind: access.OSUser, Name: "1"}, `{"oid": "1"}`, nil, nil, nil},
		{"no policy names users", "", verified, `{"oid": "1"}`, nil, nil, nil},
		{"two policies find two euids", known + "\n--- " + otherClaim, verified, `{"oid": "1", "sub2": "2"}`, nil, nil, nil},
		{"two policies find one euid", known + "\n--- " + otherClaim, verified, `{"oid": "1", "sub2": "1"}`, nil,
			[]string{"design"}, []string{"design", "tools"}},
		{"revoked by name", known, verified, `{"oid": "1"}`, []document.Revocation{{Person: "ada"}}, nil, nil},
		{"revoked by euid, under a former name", known, verified, `{"oid": "1"}`, []document.Revocation{{Person: "old", EUID: "1"}}, nil, nil},
		{"the revocation of another", known, verified, `{"oid": "1"}`, []document.Revocation{{Person: "ben", EUID: "2"}, {Person: "gone"}},
			[]string{"design"}, []string{"design", "tools"}},
	} {
		var docs []document.Document
		if tt.policies != "" {
			docs = decode(t, tt.policies)
		}
		p, err := authz.Compile(docs)
		if err != nil {
			t.Fatal(err)
		}
		caller := authz.Caller{Actor: tt.actor, Claims: claims(t, tt.claims)}
		rights, err := p.RightsWith(caller, authz.Bindings{Documents: decode(t, organization), Revoked: tt.revoked, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		got := [][]string{append([]string(nil), rights.Scope("Replicate").Names()...), append([]string(nil), rights.Scope("Status").Names()...)}
		if diff := cmp.Diff([][]string{tt.editor, tt.readers}, got); diff != "" {
			t.Errorf("%s: workspaces of an editor and of a reader (-want +got):\n%s", tt.reason, diff)
		}
		if len(tt.editor) == 0 {
			continue
		}
		d := rights.AllowTenants("Replicate", access.TenantID{Workspace: tt.editor[0], Project: "p", Platform: "m.a"})
		contains(t, "the reason names the binding", d.Reason, "the meshWorkspace", "Binding", "role editor")
		for _, op := range []authz.Operation{"Decide", "Revoke", "Export", "Forget", "CheckConnections"} {
			if rights.Allow(op).Allowed {
				t.Errorf("%s: a binding allows %s", tt.reason, op)
			}
		}
	}
}

// TestPolicies_BindingsGiveOnlyTheirWorkspaces: whatever is stored, a caller has rights by
// bindings in workspaces of bindings only, and a revoked one in none.
func TestPolicies_BindingsGiveOnlyTheirWorkspaces(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		docs := documenttest.Draw(rt).List()
		p, err := authz.Compile(decode(t, known))
		if err != nil {
			rt.Fatal(err)
		}
		euid := rapid.SampledFrom([]string{"one-0", "ada-1", "ben-2", "ONE-0"}).Draw(rt, "euid")
		caller := authz.Caller{Actor: user(t, "s"), Claims: authz.ClaimMap{"oid": euid}}
		rights, err := p.RightsWith(caller, authz.Bindings{Documents: docs})
		if err != nil {
			rt.Fatal(err)
		}
		bound := map[string]bool{}
		for _, d := range docs {
			if typed, _ := document.Parse(d); typed != nil {
				if b, ok := typed.(document.WorkspaceBinding); ok {
					bound[b.Workspace] = true
				}
			}
		}
		scope := rights.Scope("Status")
		for _, name := range scope.Names() {
			if !bound[name] {
				rt.Fatalf("rights in %s, which no binding names", name)
			}
		}
		if scope.All() || rights.Allow("Decide").Allowed {
			rt.Fatal("bindings give rights beyond a workspace")
		}
		revoked, err := p.RightsWith(caller, authz.Bindings{Documents: docs, Revoked: []document.Revocation{{Person: "x", EUID: euid}}})
		if err != nil || len(revoked.Roles()) > 0 {
			rt.Fatalf("revoked, and the roles %v: %v", revoked.Roles(), err)
		}
	})
}
