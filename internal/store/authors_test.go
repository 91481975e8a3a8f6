package store_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// authors returns the authors of the changes of web.
func authors(t *testing.T, s *store.Store) []string {
	t.Helper()
	found, err := s.Authors(t.Context(), web)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range found {
		names = append(names, strings.TrimSuffix(a.Name, "@test"))
	}
	return names
}

// rename gives the project of web another display name, which changes its groups' inputs.
func rename(t *testing.T, s *store.Store, by access.Actor, text string) int64 {
	t.Helper()
	docs := decode(t, fmt.Sprintf(`{apiVersion: v2, kind: meshProject, metadata: {name: web, ownedByWorkspace: shop}, spec: {displayName: %q}}`, text))
	changes, err := s.Apply(t.Context(), store.ApplyRequest{Documents: docs, Checks: store.Checks{By: by}})
	if err != nil {
		t.Fatal(err)
	}
	return changes.Generation
}

// TestAuthors: a tenant has the authors of all its changes until a run has carried them out.
func TestAuthors(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t), Checks: store.Checks{By: storetest.By("ada")}})
	complete := func(revision int64) {
		t.Helper()
		if err := s.PutStatus(t.Context(), store.Status{Tenant: web, Generation: revision, Applied: true, Decided: true}); err != nil {
			t.Fatal(err)
		}
	}
	var last int64
	for _, step := range []struct {
		reason string
		do     func()
		want   []string
	}{
		{"the organisation is new", func() {}, []string{"ada"}},
		{"a second author", func() { last = rename(t, s, storetest.By("ben"), "one") }, []string{"ada", "ben"}},
		{"an author is kept once", func() { last = rename(t, s, storetest.By("ada"), "two") }, []string{"ada", "ben"}},
		{"a run of an earlier revision", func() { complete(last - 1) }, []string{"ada", "ben"}},
		{"a change of other tenants alone", func() {
			apply(t, s, store.ApplyRequest{
				Documents: decode(t, `{apiVersion: v1, kind: meshWorkspace, metadata: {name: other}, spec: {displayName: Other}}`),
				Checks:    store.Checks{By: storetest.By("cyd")},
			})
		}, []string{"ada", "ben"}},
		{"a run of the last revision", func() { complete(last) }, nil},
		{"the end of a binding", func() {
			endsIn(t, s, time.Hour)
			if _, err := s.Pool().Exec(t.Context(), "UPDATE documents SET ends_at = now() - interval '1 hour' WHERE ends_at IS NOT NULL"); err != nil {
				t.Fatal(err)
			}
			if _, err := s.EndBindings(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, []string{"", "binding-end"}},
	} {
		step.do()
		if got := authors(t, s); !slices.Equal(got, step.want) {
			t.Errorf("%s: authors %q, want %q", step.reason, got, step.want)
		}
	}
}

// TestAuthors_Many: beyond a hundred authors, the tenant has an unknown one, so that no
// decision about it counts as one of a second user.
func TestAuthors_Many(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t), Checks: store.Checks{By: storetest.By("ada")}})
	for i := range 102 {
		rename(t, s, storetest.By("author-"+strconv.Itoa(i)), strconv.Itoa(i))
	}
	if got := authors(t, s); len(got) != 101 || got[100] != "" || !slices.Contains(got, "ada") {
		t.Errorf("%d authors, the last %q: want 100 and an unknown one", len(got), got[len(got)-1])
	}
}

// TestProposers: a change that is planned twice has both actors.
func TestProposers(t *testing.T) {
	s := fresh(t)
	var digest string
	for _, by := range []string{"ada", "ben", "ada"} {
		changes, err := s.Propose(t.Context(), store.ApplyRequest{Documents: organisation(t), Checks: store.Checks{By: storetest.By(by)}})
		if err != nil {
			t.Fatal(err)
		}
		digest = changes.Digest
	}
	found, err := s.Proposers(t.Context(), digest)
	if err != nil || !slices.Equal(found, []access.Actor{storetest.By("ada"), storetest.By("ben")}) {
		t.Errorf("%v, %v: want ada and ben", found, err)
	}
	if found, err := s.Proposers(t.Context(), strings.Repeat("0", 64)); err != nil || len(found) > 0 {
		t.Errorf("%v, %v: want none of an unknown plan", found, err)
	}
}

// TestRemovedBy: a removed platform has the actor who removed it; one that is not known is
// among the actors of a platform that an earlier version removed.
func TestRemovedBy(t *testing.T) {
	s := fresh(t)
	found, err := s.RemovedBy(t.Context(), "former.south")
	if err != nil || !slices.Equal(found, []access.Actor{{}}) {
		t.Errorf("%v, %v: want an unknown actor", found, err)
	}
	apply(t, s, store.ApplyRequest{Documents: organisation(t), Checks: store.Checks{By: storetest.By("ada")}})
	doc := `{apiVersion: v1, kind: meshPlatform, metadata: {name: spare}, spec: {displayName: Spare, locationRef: {name: south}, config: {memory: {replication: {groupNamePattern: "#{projectIdentifier}-#{platformGroupAlias}", roleMappings: []}}}}}`
	apply(t, s, store.ApplyRequest{Documents: decode(t, doc)})
	id := document.ID{Kind: document.KindPlatform, Name: "spare.south"}
	if _, err := s.Delete(t.Context(), []document.ID{id}, store.Checks{By: storetest.By("ben")}); err != nil {
		t.Fatal(err)
	}
	found, err = s.RemovedBy(t.Context(), "spare.south")
	if err != nil || !slices.Equal(found, []access.Actor{storetest.By("ben")}) {
		t.Errorf("%v, %v: want ben", found, err)
	}
}
