package store_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/document/documenttest"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// TestQueriesHaveAllThatTheGraphNeeds: queries narrow the documents down to those that may
// matter. On random organisations the answers are those of all documents.
func TestQueriesHaveAllThatTheGraphNeeds(t *testing.T) {
	s := fresh(t)
	rapid.Check(t, func(rt *rapid.T) {
		documents := documenttest.Draw(rt).List()
		if err := storeUnchecked(t, s, documents); err != nil {
			rt.Fatal(err)
		}
		set, err := document.NewSet(documents)
		if err != nil {
			rt.Fatal(err)
		}
		if err := equalInputs(t, s, set); err != "" {
			rt.Fatalf("inputs (-all documents +queries): %s", err)
		}
		user := rapid.SampledFrom([]string{"ada", "ben", "cyd", "zoe"}).Draw(rt, "user")
		euid := rapid.SampledFrom([]string{"", "ada-0", "ben-1"}).Draw(rt, "euid")
		platform := rapid.SampledFrom([]string{"", "m.a"}).Draw(rt, "platform")
		got, err := s.PersonTenants(t.Context(), user, euid, platform)
		if err != nil {
			rt.Fatal(err)
		}
		want := tenantsOf(set, documents, user, euid, platform)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			rt.Fatalf("tenants of %s and of the euid %q on %q (-all documents +query):\n%s", user, euid, platform, diff)
		}
	})
}

// storeUnchecked replaces all documents. Unlike Apply it accepts references that lead
// nowhere: earlier programs stored bindings that are refused today.
func storeUnchecked(t *testing.T, s *store.Store, documents []document.Document) error {
	t.Helper()
	if _, err := s.Pool().Exec(t.Context(), "DELETE FROM documents"); err != nil {
		return err
	}
	columns := []string{"kind", "name", "api_version", "body", "workspace", "project", "platform", "landing_zone", "subject", "members"}
	_, err := s.Pool().CopyFrom(t.Context(), pgx.Identifier{"documents"}, columns, pgx.CopyFromSlice(len(documents), func(i int) ([]any, error) {
		d := documents[i]
		n, err := document.NewNode(d)
		return []any{
			string(d.ID.Kind), d.ID.Name, d.APIVersion, d.Body, n.Workspace, n.Project, n.Platform, n.LandingZone, n.Subject,
			append([]string{}, n.Members...),
		}, err
	}))
	return err
}

// equalInputs compares the inputs of all tenants.
func equalInputs(t *testing.T, s *store.Store, set *document.Set) string {
	t.Helper()
	var want []document.TenantInput
	for _, tenant := range set.Tenants() {
		in, _ := set.Input(tenant, document.Drawn{}, time.Time{})
		want = append(want, in)
	}
	got, err := s.TenantInputs(t.Context(), set.Tenants())
	if err != nil {
		return err.Error()
	}
	return cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(document.TenantInput{}, "Now"))
}

// tenantsOf answers PersonTenants from all documents.
func tenantsOf(set *document.Set, documents []document.Document, user, euid, platform string) []access.TenantID {
	users := []string{user}
	for _, d := range documents {
		if typed, err := document.Parse(d); err == nil {
			if u, ok := typed.(document.User); ok && euid != "" && u.EUID == euid {
				users = append(users, u.Name)
			}
		}
	}
	users = slices.DeleteFunc(users, func(name string) bool {
		return !slices.ContainsFunc(documents, func(d document.Document) bool { return d.ID == document.ID{Kind: document.KindUser, Name: name} })
	})
	return slices.DeleteFunc(set.Graph().TenantsOf(users...), func(id access.TenantID) bool { return platform != "" && id.Platform != platform })
}

// globalGroups adds to the organisation a workspace with a tenant and a group of the name
// that a group of the other workspace has, and a global group that is bound in both.
const globalGroups = `
---
{apiVersion: v2, kind: meshWorkspace, metadata: {name: bank}, spec: {displayName: Bank}}
---
{apiVersion: v2, kind: meshProject, metadata: {name: app, ownedByWorkspace: bank}, spec: {displayName: App}}
---
{apiVersion: v2, kind: meshUser, metadata: {name: cyd}, spec: {email: cyd@example.com, firstName: Cyd, lastName: Example, euid: cyd-3}}
---
{apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: operations}, spec: {members: [cyd]}}
---
{apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: crew, ownedByWorkspace: bank}, spec: {members: [cyd]}}
---
{apiVersion: v3, kind: meshProjectGroupBinding, metadata: {name: operations-web}, roleRef: {name: admin}, targetRef: {name: web, ownedByWorkspace: shop}, subject: {name: operations}}
---
{apiVersion: v3, kind: meshProjectGroupBinding, metadata: {name: operations-app}, roleRef: {name: admin}, targetRef: {name: app, ownedByWorkspace: bank}, subject: {name: operations}}
---
{apiVersion: v3, kind: meshTenant, metadata: {ownedByWorkspace: bank, ownedByProject: app, platformIdentifier: lab.here}, spec: {localId: app-1}}
`

// TestGlobalGroup follows a global group from apply to the inputs of tenants, to the end of a
// revocation, which replicates the tenants of PersonTenants, and through an export.
func TestGlobalGroup(t *testing.T) {
	s, restored := fresh(t), fresh(t)
	app := access.TenantID{Workspace: "bank", Project: "app", Platform: "lab.here"}
	text := organisationText(t) + globalGroups
	apply(t, s, store.ApplyRequest{Documents: decode(t, text)})

	inputs, err := s.TenantInputs(t.Context(), []access.TenantID{web, db, app})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"ada by ada-web, cyd by operations-web", "ben by crew-db", "cyd by operations-app"} {
		grants, orphans := inputs[i].Grants()
		var got []string
		for _, g := range grants {
			got = append(got, g.User+" by "+g.Binding.Name)
		}
		if strings.Join(got, ", ") != want || len(orphans) > 0 {
			t.Errorf("grants on %s: %v, bindings without a group %v; want %s", inputs[i].Tenant.TenantID, got, orphans, want)
		}
	}

	if _, err := s.Revoke(t.Context(), "cyd", "left", storetest.By("ops"), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Lift(t.Context(), "cyd", "back", storetest.By("ops")); err != nil {
		t.Fatal(err)
	}
	back, err := s.PersonTenants(t.Context(), "cyd", "cyd-3", "")
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "tenants that get a user back whose revocation is lifted", []access.TenantID{app, web}, back)

	for _, tt := range []struct {
		reason, from, to string
		want             []access.TenantID
	}{
		{"the group is bound in both workspaces", "name: operations}, spec: {members: [cyd]", "name: operations}, spec: {members: [ada]", []access.TenantID{app, web}},
		{"the group of the other workspace with its name is bound", "name: crew, ownedByWorkspace: bank}, spec: {members: [cyd]", "name: crew, ownedByWorkspace: bank}, spec: {members: []", nil},
	} {
		changes := apply(t, s, store.ApplyRequest{Documents: decode(t, strings.Replace(text, tt.from, tt.to, 1)), Checks: store.Checks{DryRun: true}})
		if len(changes.Changed) != 1 {
			t.Fatalf("%s: changes %+v, want one", tt.reason, changes)
		}
		diff(t, tt.reason, tt.want, changes.Tenants, cmpopts.EquateEmpty())
	}

	exported, err := s.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := document.Encode(&out, exported); err != nil {
		t.Fatal(err)
	}
	apply(t, restored, store.ApplyRequest{Documents: decode(t, out.String())})
	again, err := restored.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "export of what an export restored", exported, again)
}

// TestApply_RefusesGroupsOfOtherWorkspaces names the place of the binding, and stores nothing.
func TestApply_RefusesGroupsOfOtherWorkspaces(t *testing.T) {
	s := fresh(t)
	text := organisationText(t) + strings.ReplaceAll(globalGroups, "{name: operations}", "{name: operations, ownedByWorkspace: bank}")
	text = strings.ReplaceAll(text, "subject: {name: operations, ownedByWorkspace: bank}", "subject: {name: operations}")
	_, err := s.Apply(t.Context(), store.ApplyRequest{Documents: decode(t, text)})
	before, _, _ := strings.Cut(text, "{name: operations-web}")
	line := strconv.Itoa(1 + strings.Count(before, "\n"))
	want := "test.yaml:" + line + ": meshProjectGroupBinding operations-web: subject.name: the user group \"operations\" is of the workspace \"bank\", " +
		"but the project is of \"shop\": a workspace's group can be bound in its own workspace only; create the group in \"shop\", or bind a global group"
	if !errors.Is(err, document.ErrInvalid) || err.Error() != want {
		t.Errorf("apply: %v\nwant %s", err, want)
	}
	if stored, err := s.Export(t.Context()); err != nil || len(stored) > 0 {
		t.Errorf("stored: %d documents, %v; want none", len(stored), err)
	}
}

// TestTenantInputs_AreNeverThoseOfAnEarlierVersion reads the inputs again after each change: by
// apply, back to an earlier version, and by another program that leaves the revision.
func TestTenantInputs_AreNeverThoseOfAnEarlierVersion(t *testing.T) {
	s := fresh(t)
	original := organisationText(t)
	tenants := []access.TenantID{db, web}
	check := func(reason string) {
		t.Helper()
		documents, err := s.Documents(t.Context(), store.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		set, err := document.NewSet(documents) // parses each
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.TenantInputs(t.Context(), tenants)
		if err != nil {
			t.Fatal(err)
		}
		for i, tenant := range tenants {
			want, _ := set.Input(tenant, got[i].Drawn, time.Time{})
			diff(t, reason+": "+tenant.String(), want, got[i], cmpopts.EquateEmpty(), cmpopts.IgnoreFields(document.TenantInput{}, "Generation", "Now", "HasAuthors"))
		}
	}
	apply(t, s, store.ApplyRequest{Documents: decode(t, original)})
	check("stored")
	for _, edit := range [][2]string{
		{"ada-1", "ada-9"}, {"members: [ben]", "members: [ada, ben]"}, {"displayName: Web", "displayName: WWW"}, {"rank: 100", "rank: 90"},
		{"roles: [owner]", "roles: [viewer]"}, {"localId: web-1", "localId: web-2"}, {"subject: {name: ada}", "subject: {name: ben}"},
	} {
		text := strings.Replace(original, edit[0], edit[1], 1)
		if changes := apply(t, s, store.ApplyRequest{Documents: decode(t, text)}); len(changes.Changed) != 1 {
			t.Fatalf("%s: changes %+v, want one", edit[1], changes)
		}
		check(edit[1])
		apply(t, s, store.ApplyRequest{Documents: decode(t, original)})
		check(edit[1] + " taken back")
	}
	if _, err := s.Pool().Exec(t.Context(), `UPDATE documents SET body = replace(body::text, 'ada-1', 'ada-8')::json WHERE name = 'ada'`); err != nil {
		t.Fatal(err)
	}
	check("changed by another program")
	in, err := s.TenantInput(t.Context(), web)
	if err != nil || in.Users[0].EUID != "ada-8" {
		t.Errorf("euid %+v, %v; want the new one", in.Users, err)
	}
}
