package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// revokeAda revokes what ada has.
func revokeAda(t *testing.T, s *store.Store) store.Revocation {
	t.Helper()
	r, err := s.Revoke(t.Context(), "ada", "left", storetest.By("hr"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func generation(t *testing.T, s *store.Store) int64 {
	t.Helper()
	n, err := s.Generation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// revoked are the people whose access is revoked, as every tenant's input has it.
func revoked(t *testing.T, s *store.Store) []document.Revocation {
	t.Helper()
	in, err := s.TenantInput(t.Context(), web)
	if err != nil {
		t.Fatal(err)
	}
	if in.Generation != generation(t, s) {
		t.Errorf("the input is of generation %d, want %d", in.Generation, generation(t, s))
	}
	return in.Revoked
}

func TestRevocationAgesPlansAndStands(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	before := generation(t, s)
	first := revokeAda(t, s)
	if first.Person != "ada" || first.Reason != "left" || first.By != storetest.By("hr") || first.EUID == "" || first.At.IsZero() || !first.LiftedAt.IsZero() {
		t.Errorf("the revocation: %+v, want ada's with her euid, the reason and who", first)
	}
	if len(first.ID) != 16 || len(first.Platforms) != 1 || first.Platforms[0].State != store.RevocationWaiting {
		t.Errorf("the revocation: %+v, want a random id, and that the one platform is waited for", first)
	}
	if now := generation(t, s); now != before+1 {
		t.Errorf("generation %d after %d, want one more: every older plan has aged", now, before)
	}
	diff(t, "revoked in every input", []document.Revocation{{Person: "ada", EUID: first.EUID}}, revoked(t, s))

	again, err := s.Revoke(t.Context(), "ada", "once more", storetest.By("another"), nil)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "a standing revocation stays as it was", first, again,
		cmpopts.EquateApproxTime(0), cmpopts.IgnoreFields(store.Revocation{}, "Repeats"))
	if again, err = s.Revoke(t.Context(), "ada", "left", storetest.By("hr"), nil); err != nil {
		t.Fatal(err)
	}
	wantRepeats := []store.RevocationRepeat{
		{Reason: "once more", By: storetest.By("another")}, {Reason: "left", By: storetest.By("hr")},
	}
	diff(t, "each repetition is kept, that with the same words, too", wantRepeats, again.Repeats,
		cmpopts.IgnoreFields(store.RevocationRepeat{}, "At"))
	if again.Repeats[0].At.IsZero() || len(first.Repeats) > 0 {
		t.Errorf("repeats %+v after %+v, want times, and none of the first request", again.Repeats, first.Repeats)
	}
	if now := generation(t, s); now != before+1 {
		t.Errorf("generation %d, want %d: nothing changed", now, before+1)
	}

	if err := s.Lift(t.Context(), "ada", "back", storetest.By("boss")); err != nil {
		t.Fatal(err)
	}
	if now := generation(t, s); now != before+2 || len(revoked(t, s)) != 0 {
		t.Errorf("generation %d, revoked %v; want %d and nobody", now, revoked(t, s), before+2)
	}
	if err := s.Lift(t.Context(), "ada", "back", storetest.By("boss")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("lifted again: %v, want ErrNotFound", err)
	}
	if next := revokeAda(t, s); next.ID == first.ID {
		t.Error("a new revocation has the id of the lifted one")
	}
	all, err := s.Revocations(t.Context(), store.RevocationFilter{Person: "ada", Lifted: true})
	if err != nil || len(all) != 2 || all[1].LiftedBy != storetest.By("boss") || all[1].LiftReason != "back" || len(all[1].Repeats) != 2 || len(all[0].Repeats) > 0 || all[1].LiftedAt.IsZero() {
		t.Errorf("history %+v, %v; want the standing one and the lifted one", all, err)
	}
	if _, err := s.Revoke(t.Context(), "nobody", "r", storetest.By("b"), nil); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("of somebody unknown: %v, want ErrNotFound", err)
	}
}

// TestRevocationDoesNotWaitForAnApply: a revocation and a change of documents that is about
// to be stored each have a revision of their own.
func TestRevocationDoesNotWaitForAnApply(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	tenant := decode(t, "{apiVersion: v3, kind: meshTenant, metadata: {ownedByWorkspace: shop, ownedByProject: web, "+
		"platformIdentifier: lab.here}, spec: {localId: web-2}}")
	changes := apply(t, s, store.ApplyRequest{Documents: tenant, Checks: store.Checks{
		Validate: func(store.Draft) ([]document.GroupName, error) { revokeAda(t, s); return nil, nil },
	}})
	if now := generation(t, s); now != 3 || changes.Generation != 3 {
		t.Errorf("generation %d, the apply's is %d, want 3: each has one of its own", now, changes.Generation)
	}
	for g := int64(1); g <= 3; g++ {
		if _, err := s.SinceGeneration(t.Context(), g); err != nil {
			t.Errorf("generation %d: %v", g, err)
		}
	}
}

func TestRevocationOutlivesTheDocument(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	r := revokeAda(t, s)
	got, err := s.PersonTenants(t.Context(), "ada", r.EUID, "")
	if err != nil || len(got) == 0 {
		t.Fatalf("tenants of ada %v, %v; want some", got, err)
	}
	text := organisation(t)
	for i, d := range text {
		body := string(d.Body)
		if d.ID.Name == "ada" && d.ID.Kind == document.KindUser {
			text[i].Body = []byte(replaceOnce(t, body, r.EUID, "renamed"))
		}
	}
	apply(t, s, store.ApplyRequest{Documents: text})
	euids, err := s.RevokedEUIDs(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "euids, the old one and the new one", []string{r.EUID, "renamed"}, euids, cmpopts.SortSlices(less))
	apply(t, s, store.ApplyRequest{Prune: true})
	if euids, err = s.RevokedEUIDs(t.Context(), r); err != nil || len(euids) != 1 || euids[0] != r.EUID {
		t.Errorf("euids without the document: %v, %v; want the one of then", euids, err)
	}
	if got, err = s.PersonTenants(t.Context(), "ada", r.EUID, ""); err != nil || len(got) != 0 {
		t.Errorf("tenants without documents: %v, %v; want none", got, err)
	}
}

func TestPersonTenants(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	ada := revokeAda(t, s)
	tests := []struct {
		reason, person, euid, platform string
		want                           []access.TenantID
	}{
		{"bound directly", "ada", "", "", []access.TenantID{web}},
		{"on that platform", "ada", "", "lab.here", []access.TenantID{web}},
		{"on another", "ada", "", "lab.there", nil},
		{"under another name, with the same euid", "ada-2", ada.EUID, "", []access.TenantID{web}},
		{"in a group that is bound", "ben", "", "", []access.TenantID{db}},
		{"nobody", "zoe", "zoe", "", nil},
	}
	for _, tt := range tests {
		got, err := s.PersonTenants(t.Context(), tt.person, tt.euid, tt.platform)
		if err != nil {
			t.Fatal(err)
		}
		diff(t, tt.reason, tt.want, got, cmpopts.EquateEmpty())
	}
}

func TestRevokedOnCountsTheTimeUntilAcceptance(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	id := revokeAda(t, s).ID
	put := func(p store.RevokedPlatform) store.RevokedPlatform {
		t.Helper()
		p.Platform = "lab.here"
		if err := s.RevokedOn(t.Context(), id, p); err != nil {
			t.Fatal(err)
		}
		found, err := s.Revocations(t.Context(), store.RevocationFilter{ID: id})
		if err != nil || len(found) != 1 || len(found[0].Platforms) != 1 {
			t.Fatalf("revocation %+v, %v; want one with one platform", found, err)
		}
		return found[0].Platforms[0]
	}
	if p := put(store.RevokedPlatform{State: store.RevocationWaiting, Problem: "down"}); p.Took != 0 || p.Problem != "down" {
		t.Errorf("waiting: %+v, want no time yet, and the problem", p)
	}
	accepted := put(store.RevokedPlatform{State: store.RevocationAccepted, Sets: 2, Tenants: 1, Calls: 3, Settle: time.Minute})
	if accepted.Took <= 0 || accepted.Problem != "" || accepted.Sets != 2 || accepted.Settle != time.Minute {
		t.Errorf("accepted: %+v, want the time it took, and what it was", accepted)
	}
	if done := put(store.RevokedPlatform{State: store.RevocationDone}); done.Took != accepted.Took {
		t.Errorf("done: took %s, want %s: it counts until the acceptance", done.Took, accepted.Took)
	}
	revokeAda(t, s)
	if p := put(store.RevokedPlatform{State: store.RevocationDone}); p.Took == accepted.Took {
		t.Error("asked for again, the time does not count anew")
	}
}

func TestRevokedAccounts(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	id := revokeAda(t, s).ID
	check := func(reason, platform string, want ...string) {
		t.Helper()
		got, err := s.RevokedRefs(t.Context(), platform)
		if err != nil {
			t.Fatal(err)
		}
		diff(t, reason, want, got, cmpopts.EquateEmpty())
	}
	for range 2 {
		if err := s.RememberRevoked(t.Context(), id, "lab.here", []string{"u-2", "u-1"}); err != nil {
			t.Fatal(err)
		}
	}
	check("remembered", "lab.here", "u-1", "u-2")
	check("of another platform", "lab.there")
	if err := s.Lift(t.Context(), "ada", "back", storetest.By("boss")); err != nil {
		t.Fatal(err)
	}
	check("lifted", "lab.here")
}

func TestKnownRefsAreNobodyElses(t *testing.T) {
	s := fresh(t)
	remember := func(refs map[string]string) {
		t.Helper()
		if err := s.KeepLookups(t.Context(), store.LookupKey{Platform: "lab.here", Attribute: "name"}, found(refs), 0); err != nil {
			t.Fatal(err)
		}
	}
	remember(map[string]string{"ada": "u-1", "ben": "u-2"})
	remember(map[string]string{"ada": "u-3"})
	remember(map[string]string{"ben": "u-3"}) // it was renamed
	got, err := s.KnownRefs(t.Context(), "lab.here", "name", []string{"ada", "zoe"})
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "accounts of ada", []string(nil), got, cmpopts.EquateEmpty())
	remember(map[string]string{"ada": "u-4"})
	if got, err = s.KnownRefs(t.Context(), "lab.here", "name", []string{"ada", "zoe"}); err != nil {
		t.Fatal(err)
	}
	diff(t, "accounts of ada", []string{"u-4"}, got)
}

func less(a, b string) bool { return a < b }

func replaceOnce(t *testing.T, text, from, to string) string {
	t.Helper()
	out := strings.Replace(text, fmt.Sprintf("%q", from), fmt.Sprintf("%q", to), 1)
	if out == text {
		t.Fatalf("%s lacks %q", text, from)
	}
	return out
}
