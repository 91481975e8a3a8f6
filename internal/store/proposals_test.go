package store_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/document/documenttest"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// TestProposedInputs_AreThoseAfterApply: the inputs of all tenants as if a proposal was stored
// are those that they have once it is, numbers included.
func TestProposedInputs_AreThoseAfterApply(t *testing.T) {
	s := fresh(t)
	compared := 0
	rapid.Check(t, func(rt *rapid.T) {
		before := read(documenttest.Draw(rt), "before.yaml")
		repair(before)
		checks := store.Checks{Validate: validateNames}
		if _, err := s.Apply(t.Context(), store.ApplyRequest{Documents: before.List(), Prune: true, Checks: checks}); err != nil {
			rt.Fatalf("store the organisation: %v", err)
		}
		after, changed := before.Change(rt)
		repair(after)
		stored, err := s.Generation(t.Context())
		if err != nil {
			rt.Fatal(err)
		}
		proposal, err := s.Propose(t.Context(), store.ApplyRequest{Documents: after.List(), Prune: true, Checks: checks})
		if err != nil {
			rt.Fatalf("propose the change of %v: %v", changed, err)
		}
		if now, err := s.Generation(t.Context()); err != nil || now != stored {
			rt.Fatalf("a proposal changed the revision from %d to %d, %v", stored, now, err)
		}
		if proposal.Digest == "" {
			return
		}
		inputs, err := s.ProposedInputs(t.Context(), proposal.Digest, proposal.Tenants)
		if err != nil {
			rt.Fatalf("inputs with the change of %v: %v", changed, err)
		}
		applied, err := s.ApplyProposal(t.Context(), proposal.Digest, checks)
		if err != nil {
			rt.Fatalf("apply the proposal of the change of %v: %v", changed, err)
		}
		proposal.Generation, proposal.Unchanged = applied.Generation, 0
		if d := cmp.Diff(proposal, applied); d != "" {
			rt.Fatalf("the change (-proposed +applied):\n%s", d)
		}
		want, err := s.TenantInputs(t.Context(), proposal.Tenants)
		if err != nil {
			rt.Fatal(err)
		}
		if d := cmp.Diff(want, inputs, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(document.TenantInput{}, "Generation", "Now")); d != "" {
			rt.Fatalf("inputs after the change of %v (-applied +proposed):\n%s", changed, d)
		}
		compared += len(want)
	})
	if compared == 0 {
		t.Error("no change affected a tenant")
	}
}

// TestApplyProposal_CommitsWhatWasPlanned: a proposal is stored as it is, or not at all.
func TestApplyProposal_CommitsWhatWasPlanned(t *testing.T) {
	user := func(email string) []document.Document {
		return decode(t, "{apiVersion: v2, kind: meshUser, metadata: {name: ada}, spec: {email: "+email+", euid: ada-1}}")
	}
	workspace := decode(t, "{apiVersion: v1, kind: meshWorkspace, metadata: {name: other}, spec: {displayName: O}}")
	for _, tt := range []struct {
		reason string
		stored []document.Document
		want   error
	}{
		{"nothing was stored meanwhile", nil, nil},
		{"a document that the proposal does not touch was stored", workspace, nil},
		{"a document of the proposal changed", user("ada@example.net"), store.ErrUnconfirmed},
	} {
		s := fresh(t)
		apply(t, s, store.ApplyRequest{Documents: without(organisation(t), tenantID(db))})
		proposed := slices.Concat(user("ada@example.org"), organisation(t)[len(organisation(t))-1:])
		changes, err := s.Propose(t.Context(), store.ApplyRequest{Documents: proposed})
		if err != nil || changes.Digest == "" {
			t.Fatalf("%s: %+v, %v; want a proposal", tt.reason, changes, err)
		}
		again, err := s.Propose(t.Context(), store.ApplyRequest{Documents: proposed})
		if err != nil || again.Digest != changes.Digest {
			t.Fatalf("%s: proposed again: %s, %v; want %s", tt.reason, again.Digest, err, changes.Digest)
		}
		if tt.stored != nil {
			apply(t, s, store.ApplyRequest{Documents: tt.stored})
		}
		for _, dry := range []bool{true, false} {
			_, err = s.ApplyProposal(t.Context(), changes.Digest, store.Checks{DryRun: dry})
			if !errors.Is(err, tt.want) {
				t.Errorf("%s: dry run %t: %v, want %v", tt.reason, dry, err, tt.want)
			}
		}
		_, err = s.TenantInput(t.Context(), db)
		if exists := err == nil; exists != (tt.want == nil) {
			t.Errorf("%s: the new tenant is stored: %t", tt.reason, exists)
		}
	}
}

// TestApplyProposal_NumbersOfOthers: the group names that a plan has shown are made of numbers.
// If another tenant has one meanwhile, the plan is none any more.
func TestApplyProposal_NumbersOfOthers(t *testing.T) {
	s := fresh(t)
	all := organisation(t)
	apply(t, s, store.ApplyRequest{Documents: without(all, tenantID(db), tenantID(web))})
	only := func(id access.TenantID) []document.Document {
		return slices.DeleteFunc(organisation(t), func(d document.Document) bool { return d.ID != tenantID(id) })
	}
	changes, err := s.Propose(t.Context(), store.ApplyRequest{Documents: only(db)})
	if err != nil {
		t.Fatal(err)
	}
	apply(t, s, store.ApplyRequest{Documents: only(web)}) // number 1, which the proposal has for db
	if _, err := s.ApplyProposal(t.Context(), changes.Digest, store.Checks{}); !errors.Is(err, store.ErrUnconfirmed) {
		t.Errorf("apply the proposal: %v, want store.ErrUnconfirmed", err)
	}
	again, err := s.Propose(t.Context(), store.ApplyRequest{Documents: only(db)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ApplyProposal(t.Context(), again.Digest, store.Checks{DryRun: true}); err != nil {
		t.Errorf("test the new plan of the same change: %v", err)
	}
	if _, err := s.ApplyProposal(t.Context(), again.Digest, store.Checks{}); err != nil {
		t.Errorf("apply the new plan of the same change: %v", err)
	}
	if in, err := s.TenantInput(t.Context(), db); err != nil || in.Drawn.Number != 2 {
		t.Errorf("the number of the new tenant is %d, %v; want 2", in.Drawn.Number, err)
	}
	if _, err := s.ApplyProposal(t.Context(), "0123", store.Checks{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("apply an unknown proposal: %v, want store.ErrNotFound", err)
	}
}

// TestApply_ConfirmedProposal: a caller that confirms a change has seen the names of new groups,
// which are made of numbers.
func TestApply_ConfirmedProposal(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: without(organisation(t), tenantID(db))})
	all := store.ApplyRequest{Documents: organisation(t)}
	changes, err := s.Propose(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	proposed, err := s.ProposedInputs(t.Context(), changes.Digest, []access.TenantID{db})
	if err != nil || len(proposed) != 1 {
		t.Fatalf("%+v, %v; want the new tenant", proposed, err)
	}
	all.Expected = changes.Digest
	if _, err := s.Apply(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	stored, err := s.TenantInput(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "numbers of the new tenant", proposed[0].Drawn, stored.Drawn)
}

// TestProposeDelete: a removal is proposed as Delete makes it, and nothing is removed.
func TestProposeDelete(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	ids := []document.ID{tenantID(db)}
	want, err := s.Delete(t.Context(), ids, store.Checks{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.ProposeDelete(t.Context(), ids, store.Checks{})
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "the proposed removal", want, got)
	if _, err := s.TenantInput(t.Context(), db); err != nil {
		t.Errorf("the tenant is removed: %v", err)
	}
	if _, err := s.ProposeDelete(t.Context(), []document.ID{{Kind: document.KindUser, Name: "unknown"}}, store.Checks{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("propose to remove an unknown user: %v, want store.ErrNotFound", err)
	}
}
