package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

func TestAdoptionsAreOpenUntilTheyEnd(t *testing.T) {
	s := fresh(t)
	adopt := func(tenant access.TenantID, group, ref string) store.Adoption {
		t.Helper()
		a := store.Adoption{Tenant: tenant, Group: group, Ref: ref, By: storetest.By("ada"), Reason: "it was there first", Digest: "d-1"}
		if err := s.Adopt(t.Context(), tenant, []store.Adoption{a}); err != nil {
			t.Fatal(err)
		}
		return a
	}
	ignored := cmpopts.IgnoreFields(store.Adoption{}, "At", "EndedAt")
	open := func(reason string, want ...store.Adoption) {
		t.Helper()
		got, err := s.Adoptions(t.Context(), []access.TenantID{web})
		if err != nil {
			t.Fatal(err)
		}
		diff(t, reason, want, got[web], ignored, cmpopts.EquateEmpty())
	}
	end := func(a store.Adoption, how store.AdoptionEnd) {
		t.Helper()
		a.End = how
		if err := s.EndAdoptions(t.Context(), []store.Adoption{a}); err != nil {
			t.Fatal(err)
		}
	}

	open("nobody asked for anything")
	other := adopt(db, "web-admin", "g-9")
	first := adopt(web, "web-admin", "g-1")
	open("another tenant's is not this one's", first)
	second := adopt(web, "web-admin", "g-2")
	open("the later one of a name counts", second)
	end(first, store.Adopted)
	open("what was replaced cannot end what replaced it", second)
	end(second, store.Adopted)
	open("the group is ours")

	first.End, second.End = store.Replaced, store.Adopted
	all, err := s.AllAdoptions(t.Context(), []access.TenantID{web})
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "the history of one tenant", []store.Adoption{first, second}, all, ignored)
	for _, a := range all {
		if a.Open() || a.At.IsZero() || a.EndedAt.IsZero() {
			t.Errorf("%+v: want one that has ended, with both times", a)
		}
	}
	if all, err = s.AllAdoptions(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	diff(t, "all tenants' history", []store.Adoption{other, first, second}, all, ignored)
}
