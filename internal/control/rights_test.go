package control_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/authz"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// managed has a workspace that ada manages and one that she does not.
const managed = `
{apiVersion: v1, kind: AccessPolicy, metadata: {name: users}, spec: {users: [{issuer: 'https://login.example.com', euidClaim: oid}]}}
--- {apiVersion: v2, kind: meshWorkspace, metadata: {name: design}}
--- {apiVersion: v2, kind: meshWorkspace, metadata: {name: sales}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: ada}, spec: {euid: o-1}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: ben}, spec: {euid: o-2}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: crew, ownedByWorkspace: design}, spec: {members: [ben]}}
--- {apiVersion: v2, kind: meshWorkspaceUserBinding, metadata: {name: ada-design}, roleRef: {name: Workspace Manager}, targetRef: {name: design}, subject: {name: ada}}
--- {apiVersion: v2, kind: meshWorkspaceGroupBinding, metadata: {name: crew-design}, roleRef: {name: Workspace Member}, targetRef: {name: design}, subject: {name: crew}}
`

func documents(t *testing.T, text string) []document.Document {
	t.Helper()
	docs, _, err := document.Decode(strings.NewReader(text), "in.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

// TestRights_ByWorkspaceBindings: a manager changes the documents of the workspace alone, a
// member reads them, and a revocation ends both at once.
func TestRights_ByWorkspaceBindings(t *testing.T) {
	t.Parallel()
	l := local(storetest.Open(t))
	if _, err := l.Apply(t.Context(), control.ApplyRequest{Documents: documents(t, managed)}, nil); err != nil {
		t.Fatal(err)
	}
	as := func(oid string) control.Service {
		t.Helper()
		actor, err := access.VerifiedActor(access.VerifiedUser, "https://login.example.com", "sub-"+oid)
		if err != nil {
			t.Fatal(err)
		}
		rights, err := l.Rights(t.Context(), authz.Caller{Actor: actor, Claims: authz.ClaimMap{"oid": oid, "email": "ada@example.com"}})
		if err != nil {
			t.Fatal(err)
		}
		return l.For(actor, rights)
	}
	project := func(workspace string) []document.Document {
		return documents(t, "{apiVersion: v2, kind: meshProject, metadata: {name: web, ownedByWorkspace: "+workspace+"}}")
	}
	binding := func(workspace string) []document.Document {
		return documents(t, "{apiVersion: v2, kind: meshWorkspaceUserBinding, metadata: {name: ben-"+workspace+"}, "+
			"roleRef: {name: Workspace Owner}, targetRef: {name: "+workspace+"}, subject: {name: ben}}")
	}
	for _, tt := range []struct {
		reason, oid string
		docs        []document.Document
		want        control.Code
	}{
		{"a manager's workspace", "o-1", project("design"), ""},
		{"another workspace", "o-1", project("sales"), control.Forbidden},
		{"a manager binds in the workspace", "o-1", binding("design"), ""},
		{"and not in another", "o-1", binding("sales"), control.Forbidden},
		{"a manager changes no users: an euid could be another's", "o-1", documents(t, "{apiVersion: v2, kind: meshUser, metadata: {name: eve}, spec: {euid: o-3}}"), control.Forbidden},
		{"a user who is not stored", "o-9", project("design"), control.Forbidden},
	} {
		_, err := as(tt.oid).Apply(t.Context(), control.ApplyRequest{Documents: tt.docs}, nil)
		if control.CodeOf(err) != tt.want {
			t.Errorf("%s: %v, want %q", tt.reason, err, tt.want)
		}
	}
	member := as("o-2") // an owner since a moment
	got, err := member.Get(t.Context(), control.GetRequest{Kind: document.KindWorkspace})
	if err != nil || len(got) != 1 || got[0].ID.Name != "design" {
		t.Errorf("a member reads %v: %v", got, err)
	}
	if _, err := l.Revoke(t.Context(), control.RevokeRequest{
		User: "ada", Reason: "left", By: access.Actor{Kind: access.OSUser, Name: "sec@ops"},
	}, nil); control.CodeOf(err) != "" &&
		control.CodeOf(err) != control.Unavailable && control.CodeOf(err) != control.NoWorker { // Temporal does not answer
		t.Fatal(err)
	}
	if _, err := as("o-1").Get(t.Context(), control.GetRequest{}); control.CodeOf(err) != control.Forbidden {
		t.Errorf("a revoked manager reads: %v", err)
	}
}

// TestDelete_BlockedByWorkspaceBindings: what a binding refers to stays until the binding goes.
func TestDelete_BlockedByWorkspaceBindings(t *testing.T) {
	t.Parallel()
	l := local(storetest.Open(t))
	if _, err := l.Apply(t.Context(), control.ApplyRequest{Documents: documents(t, managed)}, nil); err != nil {
		t.Fatal(err)
	}
	remove := func(kind document.Kind, name string) (control.ChangeResult, error) {
		return l.Delete(t.Context(), control.DeleteRequest{
			ID: document.ID{Kind: kind, Name: name}, ChangeOptions: control.ChangeOptions{AllowRemovals: true},
		}, nil)
	}
	for _, id := range []document.ID{
		{Kind: document.KindUser, Name: "ada"}, {Kind: document.KindUserGroup, Name: "design.crew"}, {Kind: document.KindWorkspace, Name: "design"},
	} {
		if _, err := remove(id.Kind, id.Name); control.CodeOf(err) != control.Conflict {
			t.Errorf("%s is bound and can be deleted: %v", id, err)
		}
	}
	result, err := remove(document.KindWorkspaceUserBinding, "ada-design")
	if err != nil || len(result.Changes.Tenants) > 0 {
		t.Errorf("a binding: %v, affected %v", err, result.Changes.Tenants)
	}
	if _, err := remove(document.KindUser, "ada"); err != nil {
		t.Errorf("a user without bindings: %v", err)
	}
	exported, err := l.Export(t.Context())
	if err != nil || !slices.ContainsFunc(exported, func(d document.Document) bool { return d.ID.Kind == document.KindWorkspaceGroupBinding }) {
		t.Errorf("an export without workspace bindings: %v", err)
	}
}
