package store_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

func TestApplyAgainChangesNothing(t *testing.T) {
	s := fresh(t)
	documents := organisation(t)
	first := apply(t, s, store.ApplyRequest{Documents: documents})
	if len(first.Created) != len(documents) || first.Generation != 1 {
		t.Errorf("first apply: %+v, want %d created, generation 1", first, len(documents))
	}
	diff(t, "tenants touched by the first apply", []access.TenantID{db, web}, first.Tenants)
	second := apply(t, s, store.ApplyRequest{Documents: organisation(t), Prune: true, Checks: store.Checks{ConfirmRemovals: true}})
	diff(t, "second apply", store.Changes{Unchanged: len(documents), Generation: 1}, second)
}

func TestApplyTouchesWhatDependsOnTheChange(t *testing.T) {
	tests := []struct {
		name, from, to string
		want           []access.TenantID
		reason         string
	}{
		{"person bound directly", "ada-1", "ada-9", []access.TenantID{web}, "ada is bound to web alone"},
		{"person in a bound group", "ben-2", "ben-9", []access.TenantID{db}, "ben is in crew, which is bound to db"},
		{"group loses a member", "members: [ben]", "members: []", []access.TenantID{db}, "crew is bound to db"},
		{"group gains a member", "members: [ben]", "members: [ada, ben]", []access.TenantID{db}, "crew is bound to db"},
		{"binding moves", "targetRef: {name: web", "targetRef: {name: db", []access.TenantID{db, web}, "one project loses it, one gains it"},
		{"role", "rank: 100", "rank: 90", []access.TenantID{db, web}, "every tenant may use it"},
		{"platform", "roles: [owner]", "roles: [viewer]", []access.TenantID{db, web}, "both are on it"},
		{"landing zone", "displayName: Development", "displayName: Dev", []access.TenantID{db, web}, "both are in it"},
		{"project", "displayName: Web", "displayName: WWW", []access.TenantID{web}, "its own tenant"},
		{"workspace", "displayName: Shop", "displayName: Store", []access.TenantID{}, "no access depends on it"},
	}
	text := organisationText(t)
	s := fresh(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := apply(t, s, store.ApplyRequest{Documents: decode(t, text)})
			if !strings.Contains(text, tt.from) {
				t.Fatalf("testdata lacks %q", tt.from)
			}
			changes := apply(t, s, store.ApplyRequest{Documents: decode(t, strings.ReplaceAll(text, tt.from, tt.to))})
			if len(changes.Changed) != 1 || changes.Generation != before.Generation+1 {
				t.Errorf("changes: %+v, want one changed, generation %d", changes, before.Generation+1)
			}
			diff(t, tt.reason, tt.want, changes.Tenants, cmpopts.EquateEmpty())
		})
	}
}

// TestApply_AffectsRemovedTenants: a removed tenant is cleaned up as its landing zone and its
// platform are now, whatever becomes of its project.
func TestApply_AffectsRemovedTenants(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	if _, err := s.Delete(t.Context(), []document.ID{tenantID(web)}, store.Checks{}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		reason, from, to string
		want             []access.TenantID
	}{
		{"the landing zone may allow its removals", "displayName: Development", "displayName: Dev", []access.TenantID{db, web}},
		{"the platform may allow its removals", "roles: [owner]", "roles: [viewer]", []access.TenantID{db, web}},
		{"no binding grants anything there", "ada-1", "ada-9", []access.TenantID{}},
	} {
		text := strings.ReplaceAll(organisationText(t), tt.from, tt.to)
		documents := without(decode(t, text), tenantID(web))
		changes := apply(t, s, store.ApplyRequest{Documents: documents, Checks: store.Checks{DryRun: true}})
		diff(t, tt.reason, tt.want, changes.Tenants, cmpopts.EquateEmpty())
	}
}

func TestApplyStoresNothingUnlessAllIsValid(t *testing.T) {
	errBoom := errors.New("boom")
	tests := []struct {
		name   string
		req    store.ApplyRequest
		want   error
		reason string
	}{
		{"dangling reference", store.ApplyRequest{Documents: without(organisation(t), document.ID{Kind: document.KindUser, Name: "ada"})},
			document.ErrInvalid, "a binding to nobody"},
		{"caller's validation", store.ApplyRequest{Documents: organisation(t), Checks: store.Checks{
			Validate: func(store.Draft) ([]document.GroupName, error) { return nil, errBoom },
		}}, errBoom, "the caller knows the platforms' rules"},
		{"another change", store.ApplyRequest{Documents: organisation(t), Checks: store.Checks{Expected: "e3b0c442"}},
			store.ErrUnconfirmed, "the caller has seen another change"},
		{"dry run", store.ApplyRequest{Documents: organisation(t), Checks: store.Checks{DryRun: true}}, nil, "only a look"},
	}
	s := fresh(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := s.Apply(t.Context(), tt.req)
			if !errors.Is(err, tt.want) {
				t.Errorf("Apply: %v, want %v: %s", err, tt.want, tt.reason)
			}
			stored, err := s.Export(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			tenants, err := s.Tenants(t.Context(), store.TenantFilter{})
			if err != nil {
				t.Fatal(err)
			}
			if len(stored) != 0 || len(tenants) != 0 {
				t.Errorf("%d documents and %d tenants are stored, want none: %s", len(stored), len(tenants), tt.reason)
			}
		})
	}
}

func TestValidateSeesStoredAndNewWithTheirNumbers(t *testing.T) {
	s := fresh(t)
	all := organisation(t)
	apply(t, s, store.ApplyRequest{Documents: without(all, tenantID(db))})
	var numbers []int
	apply(t, s, store.ApplyRequest{Documents: all[len(all)-1:], Checks: store.Checks{
		Validate: func(d store.Draft) ([]document.GroupName, error) {
			for input := range d.Inputs { // db, web
				numbers = append(numbers, input.Drawn.Number)
			}
			return nil, nil
		},
	}})
	diff(t, "numbers of db, which is new, and web, which is stored", []int{2, 1}, numbers)
}

// TestAppliesThatAreInvalidTogetherCannotBothCommit gives two people one euid,
// each in an apply of its own, at the same time.
func TestAppliesThatAreInvalidTogetherCannotBothCommit(t *testing.T) {
	s := fresh(t)
	person := func(name string) []document.Document {
		return decode(t, "apiVersion: v2\nkind: meshUser\nmetadata: {name: "+name+"}\nspec: {email: "+name+
			"@example.com, firstName: A, lastName: B, euid: same}\n")
	}
	for round := range 5 {
		applies := [][]document.Document{person("cora"), person("dan")}
		errs := make([]error, len(applies))
		var running sync.WaitGroup
		for i, documents := range applies {
			running.Go(func() {
				_, errs[i] = s.Apply(context.WithoutCancel(t.Context()), store.ApplyRequest{Documents: documents})
			})
		}
		running.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("round %d: two people with one euid: %v and %v, want exactly one refused", round, errs[0], errs[1])
		}
		if err := errors.Join(errs...); !errors.Is(err, document.ErrInvalid) {
			t.Fatalf("round %d: %v, want document.ErrInvalid", round, err)
		}
		apply(t, s, store.ApplyRequest{Prune: true})
	}
}

func TestPruneAndDelete(t *testing.T) {
	s := fresh(t)
	all := organisation(t)
	apply(t, s, store.ApplyRequest{Documents: all})

	binding := document.ID{Kind: document.KindUserBinding, Name: "ada-web"}
	pruned := apply(t, s, store.ApplyRequest{Documents: without(all, binding), Prune: true})
	diff(t, "pruned", []document.ID{binding}, pruned.Removed)
	diff(t, "tenants touched by prune", []access.TenantID{web}, pruned.Tenants)

	ada := document.ID{Kind: document.KindUser, Name: "ada"}
	if _, err := s.Delete(t.Context(), []document.ID{ada}, store.Checks{}); err != nil {
		t.Errorf("Delete of a person nobody refers to: %v", err)
	}
	if _, err := s.Delete(t.Context(), []document.ID{ada}, store.Checks{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Delete again: %v, want ErrNotFound", err)
	}
	lab := document.ID{Kind: document.KindPlatform, Name: "lab.here"}
	if _, err := s.Delete(t.Context(), []document.ID{lab}, store.Checks{}); !errors.Is(err, document.ErrInvalid) {
		t.Errorf("Delete of a platform with tenants: %v, want document.ErrInvalid", err)
	}
	left, err := s.Documents(t.Context(), store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != len(all)-2 {
		t.Errorf("%d documents are left, want %d", len(left), len(all)-2)
	}
	one, err := s.Documents(t.Context(), store.Filter{Kind: document.KindPlatform, Name: "lab.here"})
	if err != nil || len(one) != 1 {
		t.Errorf("Documents of one name: %d documents, %v; want 1", len(one), err)
	}
}

func TestExportRestoresEveryNumber(t *testing.T) {
	from, to := fresh(t), fresh(t)
	apply(t, from, store.ApplyRequest{Documents: organisation(t)})
	// A deletion makes the numbers differ from those a fresh database draws.
	if _, err := from.Delete(t.Context(), []document.ID{tenantID(db)}, store.Checks{}); err != nil {
		t.Fatal(err)
	}
	if err := from.TombstonesDone(t.Context(), []access.TenantID{db}); err != nil {
		t.Fatal(err)
	}
	apply(t, from, store.ApplyRequest{Documents: organisation(t)})
	exported, err := from.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := document.Encode(&text, exported); err != nil {
		t.Fatal(err)
	}
	apply(t, to, store.ApplyRequest{Documents: decode(t, text.String())})
	again, err := to.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "export of what an export restored", exported, again)
	input, err := to.TenantInput(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	if input.Drawn.Number != 3 {
		t.Errorf("the tenant that came back has number %d, want 3: 1 and 2 are used up", input.Drawn.Number)
	}
}

func TestGivenNumbersNeverReplaceOthers(t *testing.T) {
	s := fresh(t)
	all := organisation(t)
	apply(t, s, store.ApplyRequest{Documents: without(all, tenantID(db))})
	exported, err := s.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var drawn document.Drawn // web's
	for _, d := range exported {
		if d.Drawn != nil {
			drawn = *d.Drawn
		}
	}
	give := func(id access.TenantID, drawn document.Drawn) error {
		documents := organisation(t)
		for i := range documents {
			if documents[i].ID == tenantID(id) {
				documents[i].Drawn = &drawn
			}
		}
		_, err := s.Apply(t.Context(), store.ApplyRequest{Documents: documents})
		return err
	}
	other := document.Drawn{Number: drawn.Number + 5, Random: strings.Repeat("a", 100)}
	if err := give(web, other); !errors.Is(err, document.ErrInvalid) {
		t.Errorf("other numbers for a tenant that has some: %v, want document.ErrInvalid", err)
	}
	if err := give(db, drawn); !errors.Is(err, document.ErrInvalid) {
		t.Errorf("another tenant's number: %v, want document.ErrInvalid", err)
	}
	if err := give(web, drawn); err != nil {
		t.Errorf("the numbers a tenant has: %v", err)
	}
}
