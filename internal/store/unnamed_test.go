package store_test

import (
	"testing"

	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// TestUnnamedRemovals: what an apply removes because its input lacks it, no caller named.
func TestUnnamedRemovals(t *testing.T) {
	s := fresh(t)
	all := organisation(t)
	binding := document.ID{Kind: document.KindUserBinding, Name: "ada-web"}
	unnamed := func() bool {
		t.Helper()
		input, err := s.TenantInput(t.Context(), web)
		if err != nil {
			t.Fatal(err)
		}
		return input.Unnamed
	}
	for _, step := range []struct {
		reason string
		do     func() error
		want   bool
	}{
		{"nothing is removed", func() error { apply(t, s, store.ApplyRequest{Documents: all, Prune: true}); return nil }, false},
		{"a caller names the document", func() error {
			_, err := s.Delete(t.Context(), []document.ID{binding}, store.Checks{})
			return err
		}, false},
		{"it is back", func() error { apply(t, s, store.ApplyRequest{Documents: all}); return nil }, false},
		{"the input lacks it", func() error {
			apply(t, s, store.ApplyRequest{Documents: without(all, binding), Prune: true})
			return nil
		}, true},
		{"a plan of an earlier revision had nothing to remove", func() error {
			return s.PutStatus(t.Context(), store.Status{Tenant: web, Generation: 1, Applied: true})
		}, true},
		{"another change of the tenant, before a plan knew the first one", func() error {
			apply(t, s, store.ApplyRequest{Documents: all})
			return nil
		}, true},
		{"nothing is left to remove", func() error {
			input, err := s.TenantInput(t.Context(), web)
			if err != nil {
				return err
			}
			return s.PutStatus(t.Context(), store.Status{Tenant: web, Generation: input.Generation, Applied: true})
		}, false},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.reason, err)
		}
		if got := unnamed(); got != step.want {
			t.Fatalf("%s: the tenant has unnamed removals: %t, want %t", step.reason, got, step.want)
		}
	}
}
