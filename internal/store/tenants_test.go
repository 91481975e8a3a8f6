package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

func tenants(t *testing.T, s *store.Store, f store.TenantFilter) []access.TenantID {
	t.Helper()
	found, err := s.Tenants(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestTenantInputIsThatOfTheWholeSet(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	whole := map[access.TenantID]document.TenantInput{}
	set, err := document.NewSet(organisation(t))
	if err != nil {
		t.Fatal(err)
	}
	for n, id := range set.Tenants() {
		number, err := s.TenantInput(t.Context(), id)
		if err != nil || number.Drawn.Number != n+1 {
			t.Fatalf("%s has the number %d, %v; want %d", id, number.Drawn.Number, err, n+1)
		}
		whole[id], _ = set.Input(id, number.Drawn, time.Now())
		input := whole[id]
		input.Generation, input.HasAuthors = 1, true
		whole[id] = input
	}
	got, err := s.TenantInputs(t.Context(), []access.TenantID{web, db})
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "inputs read by query, and worked out from all documents",
		[]document.TenantInput{whole[web], whole[db]}, got, cmpopts.EquateEmpty())
	if len(got[1].Users) != 1 || len(got[1].UserGroups) != 1 || got[1].Generation != 1 {
		t.Errorf("input of db: %+v, want the group's one person, generation 1", got[1])
	}
}

func TestTenantsFilters(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	tests := []struct {
		name   string
		filter store.TenantFilter
		want   []access.TenantID
	}{
		{"all", store.TenantFilter{}, []access.TenantID{db, web}},
		{"by id", store.TenantFilter{IDs: []access.TenantID{web}}, []access.TenantID{web}},
		{"by project", store.TenantFilter{Workspace: "shop", Project: "db"}, []access.TenantID{db}},
		{"by platform", store.TenantFilter{Platform: "lab.here"}, []access.TenantID{db, web}},
		{"by another platform", store.TenantFilter{Platform: "lab.there"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			diff(t, "Tenants", tt.want, tenants(t, s, tt.filter), cmpopts.EquateEmpty())
		})
	}
}

// TestTenantsAfter_ReadsShards: the shards of a platform have all its tenants in order,
// removed ones among them, whatever their size.
func TestTenantsAfter_ReadsShards(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	if _, err := s.Delete(t.Context(), []document.ID{tenantID(web)}, store.Checks{}); err != nil {
		t.Fatal(err)
	}
	want := tenants(t, s, store.TenantFilter{Platform: "lab.here"})
	if len(want) != 2 {
		t.Fatalf("tenants %v, want the stored one and the removed one", want)
	}
	for size := 1; size <= 3; size++ {
		var all []access.TenantID
		for after := (access.TenantID{}); ; after = all[len(all)-1] {
			shard, err := s.TenantsAfter(t.Context(), "lab.here", after, size)
			if err != nil {
				t.Fatal(err)
			}
			if len(shard) > size {
				t.Fatalf("a shard of %d tenants, want at most %d", len(shard), size)
			}
			if len(shard) == 0 {
				break
			}
			all = append(all, shard...)
		}
		diff(t, fmt.Sprintf("shards of %d", size), want, all)
	}
}

// TestTombstoneLastsUntilDone follows a tenant that is removed together with
// all it was on.
func TestTombstoneLastsUntilDone(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	before, err := s.TenantInput(t.Context(), web)
	if err != nil {
		t.Fatal(err)
	}
	versions := []int64{version(t, s)}
	removed := apply(t, s, store.ApplyRequest{Prune: true})
	versions = append(versions, version(t, s))
	diff(t, "tenants touched", []access.TenantID{db, web}, removed.Tenants)
	diff(t, "tenants that remain to be cleaned up", []access.TenantID{db, web}, tenants(t, s, store.TenantFilter{}))

	input, err := s.TenantInput(t.Context(), web)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "input from the tombstone", document.TenantInput{
		HasAuthors: true,
		Tenant:     before.Tenant, Project: before.Project, Platform: before.Platform, LandingZone: before.LandingZone,
		Drawn: before.Drawn, Guard: document.DefaultGuard(), Deleted: true, Unnamed: true, Generation: 2,
	}, input, cmpopts.EquateEmpty())
	diff(t, "platforms served for the tombstones", []document.Platform{before.Platform}, platforms(t, s))

	for _, id := range []access.TenantID{web, db} {
		if err := s.TombstonesDone(t.Context(), []access.TenantID{id}); err != nil {
			t.Fatal(err)
		}
	}
	versions = append(versions, version(t, s))
	if _, err := s.TenantInput(t.Context(), web); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("TenantInput after the cleanup: %v, want ErrNotFound", err)
	}
	if left := platforms(t, s); len(left) != 0 {
		t.Errorf("platforms after the cleanup: %v, want none", left)
	}
	if versions[0] == versions[1] || versions[1] == versions[2] {
		t.Errorf("PlatformsVersion was %v, want it to move with the platform and with the last tombstone", versions)
	}
}

func TestTenantThatComesBackKeepsItsNumbers(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	before, err := s.TenantInput(t.Context(), web)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(t.Context(), []document.ID{tenantID(web)}, store.Checks{}); err != nil {
		t.Fatal(err)
	}
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	// A cleanup that was under way when the tenant came back.
	if err := s.TombstonesDone(t.Context(), []access.TenantID{web}); err != nil {
		t.Fatal(err)
	}
	after, err := s.TenantInput(t.Context(), web)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "numbers after coming back", before.Drawn, after.Drawn)
	if after.Deleted || len(before.Drawn.Random) != 100 {
		t.Errorf("input after coming back: %+v, want a living tenant with 100 random characters", after)
	}
}

func version(t *testing.T, s *store.Store) int64 {
	t.Helper()
	v, err := s.PlatformsVersion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func platforms(t *testing.T, s *store.Store) []document.Platform {
	t.Helper()
	found, err := s.Platforms(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestTenantInput_HasUsersOfTheSameAccount: the users are found whatever tenant they have
// access to, and also after a migration from a program that stored no search keys.
func TestTenantInput_HasUsersOfTheSameAccount(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: decode(t, `
{apiVersion: v2, kind: meshUser, metadata: {name: lookalike}, spec: {euid: "STRASSE"}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: another}, spec: {euid: "strase"}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: none}, spec: {firstName: N}}
`)})
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	var user document.User
	input, err := s.TenantInput(t.Context(), db)
	if err != nil || len(input.Users) != 1 {
		t.Fatalf("input %+v, %v; want one user", input, err)
	}
	user = input.Users[0]
	apply(t, s, store.ApplyRequest{Documents: decode(t, fmt.Sprintf(
		`{apiVersion: v2, kind: meshUser, metadata: {name: %s}, spec: {euid: "straße"}}`, user.Name))})
	others := func(when string) {
		t.Helper()
		input, err := s.TenantInput(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		if len(input.SameAccount) != 1 || input.SameAccount[0].Name != "lookalike" {
			t.Errorf("%s, the users of the same account are %+v, want lookalike", when, input.SameAccount)
		}
		euids, err := s.EUIDsOfSameAccount(t.Context(), user.Name, []string{"straße"})
		if err != nil || !slices.Equal(euids, []string{"STRASSE"}) {
			t.Errorf("%s, their euids are %q, %v; want that of lookalike", when, euids, err)
		}
		users, err := s.UsersOfSameAccount(t.Context(), []string{"Strasse"})
		want := []document.User{{Name: "lookalike", EUID: "STRASSE"}, {Name: user.Name, EUID: "straße"}}
		slices.SortFunc(want, func(a, b document.User) int { return strings.Compare(a.Name, b.Name) })
		if err != nil {
			t.Fatal(err)
		}
		diff(t, when+", the users of the account", want, users)
	}
	others("stored by this program")
	if _, err := s.Pool().Exec(t.Context(), "UPDATE documents SET subject = '' WHERE kind = 'meshUser'"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Migrate(t.Context(), s.Pool().Config().ConnString()); err != nil {
		t.Fatal(err)
	}
	others("after Migrate")
}

// TestMigrate_FillsSearchKeysOfTrimmedEUIDs: documents may have any blanks around an euid, and
// the search key is the one of the euid without them.
func TestMigrate_FillsSearchKeysOfTrimmedEUIDs(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: decode(t, `
{apiVersion: v2, kind: meshUser, metadata: {name: plain}, spec: {euid: "straße"}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: padded}, spec: {euid: "\u00a0STRASSE "}}
`)})
	if _, err := s.Pool().Exec(t.Context(), "UPDATE documents SET subject = '' WHERE kind = 'meshUser'"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Migrate(t.Context(), s.Pool().Config().ConnString()); err != nil {
		t.Fatal(err)
	}
	euids, err := s.EUIDsOfSameAccount(t.Context(), "plain", []string{"straße"})
	if want := []string{"\u00a0STRASSE "}; err != nil || !slices.Equal(euids, want) {
		t.Errorf("euids of the same account %q, %v; want %q", euids, err, want)
	}
}
