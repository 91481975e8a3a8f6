package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// endsIn gives a binding of the organisation an end that far from now.
func endsIn(t *testing.T, s *store.Store, after time.Duration) {
	t.Helper()
	docs := decode(t, fmt.Sprintf(`{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: ada-ends}, roleRef: {name: admin},
  targetRef: {name: web, ownedByWorkspace: shop}, subject: {name: ada}, spec: {expiresAt: %q}}`,
		time.Now().Add(after).UTC().Format(time.RFC3339)))
	apply(t, s, store.ApplyRequest{Documents: docs})
}

// TestEndsNeedTrigger: a worker triggers the workflow if the workflow does not know of an end,
// or is late.
func TestEndsNeedTrigger(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	check := func() {
		t.Helper()
		if _, _, err := s.CheckEnds(t.Context(), 24*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		reason string
		do     func()
		want   bool
	}{
		{"no binding ends", func() {}, false},
		{"an end was applied", func() { endsIn(t, s, 5*time.Hour) }, true},
		{"the workflow knows it", check, false},
		{"an earlier end was applied", func() { endsIn(t, s, time.Hour) }, true},
		{"the workflow knows that, too", check, false},
		{"a later end was applied", func() { endsIn(t, s, 9*time.Hour) }, false},
		{"the workflow is late", func() {
			if _, err := s.Pool().Exec(t.Context(), "UPDATE installation SET ends_checked_at = now() - interval '1 hour'"); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"the end comes, and the workflow counts it", func() {
			if _, err := s.Pool().Exec(t.Context(), "UPDATE documents SET ends_at = now() - interval '1 hour' WHERE ends_at IS NOT NULL"); err != nil {
				t.Fatal(err)
			}
			if ended, err := s.EndBindings(t.Context()); err != nil || ended != 1 {
				t.Fatalf("%d bindings ended, %v; want one", ended, err)
			}
			check()
		}, false},
		{"an end was applied that the workflow knows", func() { endsIn(t, s, time.Hour); check() }, false},
		{"its binding is removed: the workflow ends", func() {
			if _, err := s.Delete(t.Context(), []document.ID{{Kind: document.KindUserBinding, Name: "ada-ends"}}, store.Checks{}); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"the workflow knows that no end is left", check, false},
	} {
		step.do()
		got, err := s.EndsNeedTrigger(t.Context(), time.Minute)
		if err != nil || got != step.want {
			t.Fatalf("%s: %t, %v; want %t", step.reason, got, err, step.want)
		}
	}
}

// TestEndBindings_CountsAsNamed: what an end removes is no removal that no caller named, and
// the revision of the documents counts the end once.
func TestEndBindings_CountsAsNamed(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	endsIn(t, s, time.Hour)
	if _, err := s.Pool().Exec(t.Context(), "UPDATE documents SET ends_at = now() - interval '1 hour' WHERE ends_at IS NOT NULL"); err != nil {
		t.Fatal(err)
	}
	before, err := s.TenantInput(t.Context(), web)
	if err != nil {
		t.Fatal(err)
	}
	for call := range 2 {
		if _, err := s.EndBindings(t.Context()); err != nil {
			t.Fatal(err)
		}
		after, err := s.TenantInput(t.Context(), web)
		if err != nil {
			t.Fatal(err)
		}
		if after.Unnamed || after.Generation != before.Generation+1 {
			t.Errorf("call %d: unnamed %t at revision %d, want a named removal at %d", call, after.Unnamed, after.Generation, before.Generation+1)
		}
	}
}

func TestApply_NamesEndedBindings(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	docs := decode(t, strings.Join([]string{
		`{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: past}, roleRef: {name: admin}, targetRef: {name: web, ownedByWorkspace: shop}, subject: {name: ada}, expirationDate: 2020-02-29}`,
		fmt.Sprintf(`{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: today}, roleRef: {name: admin}, targetRef: {name: web, ownedByWorkspace: shop}, subject: {name: ada}, expirationDate: %s}`,
			time.Now().UTC().Format(time.DateOnly)),
	}, "\n---\n"))
	changes, err := s.Apply(t.Context(), store.ApplyRequest{Documents: docs})
	if err != nil || len(changes.Created) != 2 || len(changes.Ended) != 1 || changes.Ended[0].Name != "past" {
		t.Errorf("%+v, %v; want both stored, and the first named", changes, err)
	}
}
