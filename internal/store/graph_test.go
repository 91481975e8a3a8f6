package store_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/document/documenttest"
	"github.com/rollcall-iam/rollcall/internal/store"
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
		in, _ := set.Input(tenant, document.Drawn{})
		want = append(want, in)
	}
	got, err := s.TenantInputs(t.Context(), set.Tenants())
	if err != nil {
		return err.Error()
	}
	return cmp.Diff(want, got, cmpopts.EquateEmpty())
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
