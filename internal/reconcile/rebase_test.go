package reconcile_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// lists is a platform that writes the subjects of each binding whole, and compares what
// it has with what a step expects.
type lists struct {
	driver.Driver // nil: the executor only applies

	subjects map[string][]string // by role
	// adds and removes are the accounts that it refuses to add and to remove.
	adds, removes []string
}

func (*lists) Profile() driver.Profile { return driver.Profile{Unit: plan.PerObject, Parallel: 1} }

func (l *lists) Apply(_ context.Context, _ driver.Scope, steps []plan.Step) []driver.Result {
	results := make([]driver.Result, len(steps))
	for i, s := range steps {
		results[i] = driver.Result{Ref: s.Key().Role, Err: l.apply(s)}
	}
	return results
}

func (l *lists) apply(s plan.Step) error {
	refused := func(members []access.Member, refs []string) bool {
		return slices.ContainsFunc(members, func(m access.Member) bool { return slices.Contains(refs, m.Ref) })
	}
	role := s.Key().Role
	switch have := s.Have.Binding; {
	case refused(s.Adds(), l.adds), refused(s.Removes(), l.removes):
		return fmt.Errorf("%w: an account", fault.ErrInvalid)
	case have != nil && !slices.Equal(refs(have.Subjects), l.subjects[role]):
		return fmt.Errorf("%w: it has %q, not %q", fault.ErrConflict, l.subjects[role], refs(have.Subjects))
	case s.Op == plan.Delete:
		delete(l.subjects, role)
		return nil
	}
	l.subjects[role] = refs(s.Want.Binding.Subjects)
	return nil
}

func refs(members []access.Member) []string {
	all := []string{}
	for _, m := range members {
		all = append(all, m.Ref)
	}
	slices.Sort(all)
	return all
}

// changeOfRoles is a plan in which dan and eve become readers and cem no longer is one,
// and ann goes from the readers to the writers.
func changeOfRoles() plan.Plan {
	marker := access.Mark{Installation: "lab", Tenant: "acme.shop/lab.here"}
	reader := access.Binding{Role: "reader", Subjects: accounts("ann", "bob", "cem")}
	observed := reader
	observed.Ref, observed.Mark, observed.Version = "b-1", marker, "7"
	return plan.Make(plan.Input{
		Observed: access.State{Bindings: []access.Binding{observed}},
		Desired: access.State{Bindings: []access.Binding{
			{Role: "reader", Subjects: accounts("bob", "dan", "eve")}, {Role: "writer", Subjects: accounts("ann")},
		}},
		Owned: []plan.Owned{{Key: reader.Key(), Ref: "b-1"}},
		Rules: plan.Rules{Mark: marker, Guard: plan.Guard{Percent: 100}},
	})
}

func TestExecutor_FollowsSubjects(t *testing.T) {
	t.Parallel()
	p := changeOfRoles()
	for _, c := range []struct {
		reason        string
		adds, removes []string
		readers       []string
		refused       int
	}{
		{"nothing is refused", nil, nil, []string{"bob", "dan", "eve"}, 0},
		{"an addition is refused: the later removal from the same list is made", []string{"dan"}, nil, []string{"bob"}, 1},
		{"a removal is refused: the additions and the later removal are made", nil, []string{"cem"}, []string{"bob", "cem", "dan", "eve"}, 1},
		{"both are refused", []string{"eve"}, []string{"cem"}, []string{"bob", "cem"}, 1},
		{"the later removal is refused", nil, []string{"ann"}, []string{"ann", "bob", "dan", "eve"}, 1},
	} {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			d := &lists{subjects: map[string][]string{"reader": {"ann", "bob", "cem"}}, adds: c.adds, removes: c.removes}
			e := reconcile.New(reconcile.Config{Plan: p, Driver: d, Ledger: newRecords()})
			if err := e.Execute(t.Context(), p.Waves(plan.PerObject)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(map[string][]string{"reader": c.readers, "writer": {"ann"}}, d.subjects); diff != "" {
				t.Errorf("the roles (-want +got):\n%s", diff)
			}
			if got := e.Report(); got.Refused != c.refused || got.Replan {
				t.Errorf("%+v, want %d refused and no other plan", got, c.refused)
			}
		})
	}
}

// TestExecutor_FollowsSubjectsOfEarlierAttempts: the attempt that was refused the
// addition failed before the later removal.
func TestExecutor_FollowsSubjectsOfEarlierAttempts(t *testing.T) {
	t.Parallel()
	p := changeOfRoles()
	d := &lists{subjects: map[string][]string{"reader": {"ann", "bob", "cem"}}, adds: []string{"dan"}}
	first := reconcile.New(reconcile.Config{Plan: p, Driver: d, Ledger: newRecords()})
	if err := first.Wave(t.Context(), p.Waves(plan.PerObject)[0]); err != nil || first.Report().Refused != 1 {
		t.Fatalf("%+v, %v; want one step refused", first.Report(), err)
	}
	refused := map[string]error{}
	for _, s := range p.Steps {
		if len(s.Adds()) > 0 && s.Op == plan.Change {
			refused[s.ID] = fault.ErrInvalid
		}
	}
	second := reconcile.New(reconcile.Config{Plan: p, Driver: d, Ledger: newRecords(), Done: first.Done(), Refused: refused})
	if err := second.Execute(t.Context(), p.Waves(plan.PerObject)); err != nil || second.Report().Replan {
		t.Fatalf("%+v, %v; want the rest of the plan done", second.Report(), err)
	}
	if diff := cmp.Diff(map[string][]string{"reader": {"bob"}, "writer": {"ann"}}, d.subjects); diff != "" {
		t.Errorf("the roles (-want +got):\n%s", diff)
	}
}
