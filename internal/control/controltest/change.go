package controltest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// testChange: a change is stored as a whole, after the caller has confirmed its removals.
func testChange(t *testing.T, i Installation) {
	all := documents(t, organization)
	_, err := i.Service.Apply(t.Context(), control.ApplyRequest{Prune: true}, nil)
	fails(t, "an empty input does not mean to remove everything", err, control.Invalid, "documents")
	_, err = i.Service.Apply(t.Context(), control.ApplyRequest{Documents: all[1:]}, nil)
	fails(t, "a document refers to one that is missing", err, control.Invalid, "")
	if e := control.AsError(err); len(e.Problems) == 0 {
		t.Errorf("%v, want the problems of the documents", err)
	}

	count := func() int {
		t.Helper()
		stored, err := i.Service.Get(t.Context(), control.GetRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return len(stored)
	}
	dry := control.ApplyRequest{Documents: all, ChangeOptions: control.ChangeOptions{By: ada(), DryRun: true, Replicate: true}}
	var events []control.EventType
	result, err := i.Service.Apply(t.Context(), dry, func(e control.Event) { events = append(events, e.Type) })
	if err != nil || result.Stored || len(result.Changes.Created) != len(all) || count() != 0 {
		t.Errorf("a dry run: %+v, %v, and %d documents are stored", result, err, count())
	}
	if diff := cmp.Diff([]control.EventType{control.EventChanged}, events); diff != "" {
		t.Errorf("events of a dry run (-want +got):\n%s", diff)
	}
	i.apply(t, organization)
	if n := count(); n != len(all) {
		t.Fatalf("%d documents are stored, want %d", n, len(all))
	}

	binding := document.ID{Kind: document.KindUserBinding, Name: "b-jane-web"}
	user := document.ID{Kind: document.KindUser, Name: "jane"}
	_, err = i.Service.Delete(t.Context(), control.DeleteRequest{ID: user, ChangeOptions: control.ChangeOptions{AllowRemovals: true}}, nil)
	fails(t, "a binding refers to the user", err, control.Conflict, "jane")
	if e := control.AsError(err); len(e.Problems) != 1 {
		t.Errorf("%v has the problems %v, want the binding that refers to the user", err, e.Problems)
	}
	_, err = i.Service.Delete(t.Context(), control.DeleteRequest{ID: document.ID{Kind: document.KindUser, Name: "eve"}}, nil)
	fails(t, "the user is not stored", err, control.NotFound, "eve")

	request := control.DeleteRequest{ID: binding, ChangeOptions: control.ChangeOptions{By: ada()}}
	result, err = i.Service.Delete(t.Context(), request, nil)
	fails(t, "the removal is not confirmed", err, control.Unconfirmed, "")
	if diff := cmp.Diff([]document.ID{binding}, result.Changes.Removed); diff != "" || result.Stored || count() != len(all) {
		t.Errorf("%d documents are stored; the result of an unconfirmed change (-want +got):\n%s", count(), diff)
	}
	request.Effect = true
	events = nil
	result, err = i.Service.Delete(t.Context(), request, func(e control.Event) { events = append(events, e.Type) })
	fails(t, "the removal is not confirmed, whatever its effect", err, control.Unconfirmed, "")
	if result.Effect == nil || result.Effect.Failure == nil || result.Effect.Failure.Code != control.Unavailable {
		t.Errorf("the effect %+v, want the failure of Temporal", result.Effect)
	}
	if diff := cmp.Diff([]control.EventType{control.EventProposed}, events); diff != "" {
		t.Errorf("events of a change that has to be confirmed (-want +got):\n%s", diff)
	}
	request.Effect = false
	request.Digest = "another"
	_, err = i.Service.Delete(t.Context(), request, nil)
	fails(t, "the caller has seen another change", err, control.Unconfirmed, "")
	request.Digest = result.Changes.Digest
	result, err = i.Service.Delete(t.Context(), request, nil)
	if err != nil || !result.Stored || count() != len(all)-1 {
		t.Errorf("the confirmed change: %+v, %v, and %d documents are stored", result, err, count())
	}
	if diff := cmp.Diff([]access.TenantID{web()}, result.Changes.Tenants); diff != "" {
		t.Errorf("affected tenants (-want +got):\n%s", diff)
	}

	// The documents are stored although the runs cannot start without Temporal.
	replicated := control.ApplyRequest{Documents: all, ChangeOptions: control.ChangeOptions{By: ada(), Replicate: true}}
	result, err = i.Service.Apply(t.Context(), replicated, nil)
	fails(t, "the runs of the affected tenants cannot start", err, control.Unavailable, "")
	if !result.Stored || count() != len(all) {
		t.Errorf("%+v, and %d documents are stored, want all", result, count())
	}
}
