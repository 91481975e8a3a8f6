package aws_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/simulate"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/aws"
)

// change is the step that gives a group a name and our mark.
func change(scope driver.Scope, have access.Group, name string) plan.Step {
	want := have
	want.Name, want.Mark = name, scope.Mark
	return plan.Step{
		ID: "change", Op: plan.Change, Kind: access.KindGroup, Object: have.Name,
		Have: plan.Object{Group: &have}, Want: plan.Object{Group: &want},
	}
}

// TestRenameIsOneUpdate: what a group has names its id, so nothing else is written.
func TestRenameIsOneUpdate(t *testing.T) {
	w := newWorld(t, simulated.Options{IgnoreCase: true})
	d, scope := w.open(t), w.scope(t, "renamed")
	ada := w.cloud.User("ada@example.com")
	group := access.Group{Name: "former", Ref: w.cloud.Group("former", "Ask first. "+scope.Mark.Text(), ada), Mark: scope.Mark}
	w.settle()
	must(t, d, scope, give(group))
	before := w.cloud.Control().Calls()
	must(t, d, scope, change(scope, group, "Latter"))
	for operation, times := range w.cloud.Control().Calls() {
		if n := times - before[operation]; n > 0 && !readsNamed(operation) && (operation != "identitystore.UpdateGroup" || n != 1) {
			t.Errorf("renaming made %d calls of %s", n, operation)
		}
	}
	w.settle()
	group.Name = "Latter"
	must(t, d, scope, change(scope, group, "latter")) // another case only: the name is its own
	w.settle()
	scope.Groups, scope.Marks = []access.Group{{Name: "latter"}}, true
	got, err := w.open(t).Observe(t.Context(), []driver.Scope{scope})
	if err != nil || len(got[0].State.Groups) != 1 || len(got[0].State.Bindings) != 1 {
		t.Fatalf("after two renamings there is %+v, %v", got, err)
	}
	want := access.Group{Name: "latter", Ref: group.Ref, Mark: scope.Mark, Members: []access.Member{{Account: access.Account{Ref: ada}}}}
	if diff := cmp.Diff(want, got[0].State.Groups[0]); diff != "" {
		t.Error(diff)
	}
	if text := w.cloud.DescriptionOf(group.Ref); !strings.HasPrefix(text, "Ask first. ") {
		t.Errorf("the description is %q", text)
	}
}

// TestRenameIsDoneAgain: the answer was lost, and reads do not show yet what was
// done, nor its revision.
func TestRenameIsDoneAgain(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: 300 * time.Millisecond})
	d, scope := w.open(t), w.scope(t, "again")
	group := access.Group{Name: "former", Ref: w.cloud.Group("former", "")}
	w.settle()
	w.cloud.Control().Fail(simulate.Rule{Operation: "identitystore.UpdateGroup", Times: 1, Fault: simulate.Fault{Lose: true}})
	step := change(scope, group, "latter")
	if err := apply(t, d, scope, step).Err; !fault.Retryable(err) {
		t.Fatalf("its answer was lost: %v", err)
	}
	if ref := must(t, w.open(t), scope, step); ref != group.Ref {
		t.Errorf("done again it answers %q, want %q", ref, group.Ref)
	}
	if mark := access.ParseMark(w.cloud.DescriptionOf(group.Ref)); mark != scope.Mark {
		t.Errorf("the mark is %+v", mark)
	}
}

// TestWhoIsFasterKeepsTheGroup: another installation marks a group, or a person
// names it, after it was read. The revision tells, and nothing is overwritten.
func TestWhoIsFasterKeepsTheGroup(t *testing.T) {
	other := access.Mark{Installation: "others", Tenant: "a.b/c"}
	for name, meanwhile := range map[string]func(w *world, id string){
		"marked": func(w *world, id string) { w.cloud.Describe(id, other.Text()) },
		"named":  func(w *world, id string) { w.cloud.Rename(id, "theirs") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, simulated.Options{Stale: 300 * time.Millisecond})
			d, scope := w.open(t), w.scope(t, "faster")
			group := access.Group{Name: "wanted", Ref: w.cloud.Group("wanted", "Ask first.")}
			w.settle()
			meanwhile(w, group.Ref) // which reads do not show
			text := w.cloud.DescriptionOf(group.Ref)
			if err := apply(t, d, scope, change(scope, group, "wanted")).Err; !errors.Is(err, fault.ErrConflict) {
				t.Errorf("somebody was faster: %v, want a conflict", err)
			}
			if now := w.cloud.DescriptionOf(group.Ref); now != text {
				t.Errorf("what they wrote was overwritten: %q", now)
			}
		})
	}
}

func TestNoRoomForAMark(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	d, scope := w.open(t), w.scope(t, "full")
	group := access.Group{Name: "full", Ref: w.cloud.Group("full", strings.Repeat("ä", 1000))}
	w.settle()
	if err := apply(t, d, scope, change(scope, group, "full")).Err; !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("a description without room for a mark: %v, want invalid", err)
	}
}
