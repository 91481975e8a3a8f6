package controltest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/explain"
	"github.com/rollcall-iam/rollcall/internal/store"
)

func testSelection(t *testing.T, i Installation) {
	i.apply(t, organization)
	unknown := access.TenantID{Workspace: "a", Project: "b", Platform: "c"}
	for name, tc := range map[string]struct {
		reason string
		chosen control.Selection
		want   []access.TenantID
		code   control.Code // of the error
		object string
	}{
		"nothing":            {reason: "an empty selection does not mean all tenants", code: control.Invalid, object: "tenants"},
		"all":                {reason: "all tenants are chosen", chosen: control.Selection{All: true}, want: []access.TenantID{web(), crm()}},
		"names":              {reason: "a tenant has a name", chosen: control.Selection{Tenants: []access.TenantID{crm()}}, want: []access.TenantID{crm()}},
		"duplicate names":    {reason: "a tenant is chosen once", chosen: control.Selection{Tenants: []access.TenantID{crm(), crm()}}, want: []access.TenantID{crm()}},
		"workspace":          {reason: "a workspace has tenants", chosen: control.Selection{Workspace: "sales"}, want: []access.TenantID{crm()}},
		"project":            {reason: "a project has tenants", chosen: control.Selection{Workspace: "marketing", Project: "web"}, want: []access.TenantID{web()}},
		"platform":           {reason: "a platform has tenants", chosen: control.Selection{Platform: "sandbox.local"}, want: []access.TenantID{web(), crm()}},
		"all of a workspace": {reason: "all does not widen a choice", chosen: control.Selection{All: true, Workspace: "sales"}, want: []access.TenantID{crm()}},
		"name and platform":  {reason: "both must match", chosen: control.Selection{Tenants: []access.TenantID{web()}, Platform: "sandbox.local"}, want: []access.TenantID{web()}},
		"all and a name":     {reason: "a contradiction", chosen: control.Selection{All: true, Tenants: []access.TenantID{web()}}, code: control.Invalid, object: "all"},
		"project alone":      {reason: "projects of two workspaces may have one name", chosen: control.Selection{Project: "web"}, code: control.Invalid, object: "workspace"},
		"unknown tenant":     {reason: "the error names the tenant", chosen: control.Selection{Tenants: []access.TenantID{web(), unknown}}, code: control.NotFound, object: "a.b/c"},
		"other platform":     {reason: "the tenant is on another platform", chosen: control.Selection{Tenants: []access.TenantID{web()}, Platform: "other"}, code: control.NotFound, object: web().String()},
		"unknown workspace":  {reason: "a choice without a match is a mistake", chosen: control.Selection{Workspace: "other"}, code: control.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := i.Service.ListTenants(t.Context(), tc.chosen)
			if tc.code != "" {
				fails(t, tc.reason, err, tc.code, tc.object)
				return
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
				t.Errorf("%s: %v (-want +got):\n%s", tc.reason, err, diff)
			}
		})
	}
}

func testDocuments(t *testing.T, i Installation) {
	if found, err := i.Service.Get(t.Context(), control.GetRequest{}); len(found) > 0 || err != nil {
		t.Errorf("an empty installation has %d documents, %v, want none", len(found), err)
	}
	i.apply(t, organization)
	for name, tc := range map[string]struct {
		reason  string
		request control.GetRequest
		want    []string
		code    control.Code
	}{
		"kind":         {"a kind has documents", control.GetRequest{Kind: document.KindTenant}, []string{web().String(), crm().String()}, ""},
		"one":          {"a document has a kind and a name", control.GetRequest{Kind: document.KindUser, Name: "jane"}, []string{"jane"}, ""},
		"empty kind":   {"a kind may have no documents", control.GetRequest{Kind: document.KindGuard}, nil, ""},
		"not stored":   {"a name that is not stored is an error", control.GetRequest{Kind: document.KindUser, Name: "eve"}, nil, control.NotFound},
		"another kind": {"the name is of another kind", control.GetRequest{Kind: document.KindGuard, Name: "jane"}, nil, control.NotFound},
	} {
		found, err := i.Service.Get(t.Context(), tc.request)
		if tc.code != "" {
			fails(t, name+": "+tc.reason, err, tc.code, tc.request.Name)
			continue
		}
		var got []string
		for _, d := range found {
			got = append(got, d.ID.Name)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
			t.Errorf("%s: %s: %v (-want +got):\n%s", name, tc.reason, err, diff)
		}
	}
	exported, err := i.Service.Export(t.Context())
	if err != nil || len(exported) != len(documents(t, organization)) {
		t.Fatalf("the export has %d documents, %v, want all of them", len(exported), err)
	}
	repeated, err := i.Store.Apply(t.Context(), store.ApplyRequest{Documents: exported, Prune: true})
	if err != nil || !repeated.Empty() {
		t.Errorf("an export changes its own installation: %+v, %v", repeated, err)
	}
}

// testSources: what belongs to a directory or a sign-in is neither changed nor removed by
// documents.
func testSources(t *testing.T, i Installation) {
	i.apply(t, organization)
	directory := store.Checks{Source: "scim:corp"}
	eve := documents(t, "{apiVersion: v2, kind: meshUser, metadata: {name: eve}, spec: {email: eve@example.com, euid: eve-1}}")
	if _, err := i.Store.Apply(t.Context(), store.ApplyRequest{Documents: eve, Checks: directory}); err != nil {
		t.Fatal(err)
	}
	jane := document.ID{Kind: document.KindUser, Name: "jane"}
	fields := []store.FieldChange{{ID: jane, Set: map[string]json.RawMessage{"spec.euid": json.RawMessage(`"jane-signed-in"`)}}}
	if _, err := i.Store.SetFields(t.Context(), fields, store.Checks{Source: "sign-in:corp"}); err != nil {
		t.Fatal(err)
	}
	options := control.ChangeOptions{By: ada(), AllowRemovals: true}
	request := control.ApplyRequest{Documents: documents(t, organization), Prune: true, ChangeOptions: options}
	result, err := i.Service.Apply(t.Context(), request, nil)
	want := []store.PreservedField{{ID: jane, Field: "spec.euid", Source: "sign-in:corp"}}
	if diff := cmp.Diff(want, result.Changes.Preserved); diff != "" || err != nil || !result.Changes.Empty() {
		t.Errorf("the documents from before the sign-in: %+v, %v, want no change (-want +got):\n%s", result.Changes, err, diff)
	}
	_, err = i.Service.Delete(t.Context(), control.DeleteRequest{ID: eve[0].ID, ChangeOptions: options}, nil)
	fails(t, "a user of a directory is deleted there", err, control.Conflict, "eve")
	result, err = i.Service.Delete(t.Context(), control.DeleteRequest{ID: eve[0].ID, Source: "scim:corp", ChangeOptions: options}, nil)
	if err != nil || !result.Stored {
		t.Errorf("delete a user in the name of the directory: %+v, %v", result, err)
	}
}

func testExplain(t *testing.T, i Installation) {
	i.apply(t, organization)
	explained := func(user string, tenant access.TenantID) (explain.Answer, error) {
		return i.Service.Explain(t.Context(), control.ExplainRequest{User: user, Tenant: tenant})
	}
	for _, name := range []string{"jane", "jane-doe", "Jane@example.com"} {
		a, err := explained(name, web())
		if err != nil || len(a.Access) != 1 || a.Access[0].User != "jane" || a.Access[0].State != explain.Pending {
			t.Errorf("%s: %+v, %v, want access that is not replicated yet", name, a.Access, err)
		}
	}
	if a, err := explained("jane", crm()); err != nil || len(a.Access) > 0 || !strings.Contains(strings.Join(a.Lacks, " "), "no binding") {
		t.Errorf("%+v, %v, want the missing binding as the reason", a, err)
	}
	if a, err := explained("", web()); err != nil || len(a.Access) != 1 || a.User != "" {
		t.Errorf("%+v, %v, want all users of the tenant", a, err)
	}
	elsewhere := web()
	elsewhere.Project = "shop"
	_, err := explained("", elsewhere)
	fails(t, "the tenant is not stored", err, control.NotFound, elsewhere.String())
	_, err = explained("eve", web())
	fails(t, "no document and no record has the user", err, control.NotFound, "eve")
}
