package drivertest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// records is the ledger of one run of a tenant, in memory. It follows package ledger in
// what is owned.
type records struct {
	tenant *tenant

	mu       sync.Mutex
	attempts map[string]int               // by the step's ID
	outcomes map[string]reconcile.Outcome // the last ones, by the step's ID
}

func (t *tenant) records() *records {
	return &records{tenant: t, attempts: map[string]int{}, outcomes: map[string]reconcile.Outcome{}}
}

// Intend implements reconcile.Ledger. An object is owned from the intent to create it.
func (r *records) Intend(_ context.Context, steps []plan.Step) error {
	r.tenant.mu.Lock()
	defer r.tenant.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range steps {
		r.attempts[s.ID]++
		if s.Op == plan.Create {
			if _, owned := r.tenant.owned[s.Key()]; !owned {
				r.tenant.owned[s.Key()] = ""
			}
		}
		if g := s.Want.Group; g != nil {
			r.tenant.serves[g.Name] = g.Serves
		}
	}
	return nil
}

// Record implements reconcile.Ledger. The intent to create a binding of one account is
// forgotten when the platform says no to the only attempt.
func (r *records) Record(_ context.Context, outcomes []reconcile.Outcome) error {
	r.tenant.mu.Lock()
	defer r.tenant.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range outcomes {
		r.outcomes[o.Step.ID] = o
		key := o.Step.Key()
		switch {
		case o.Err == nil:
			r.tenant.recordDone(o.Step, o.Ref)
		case o.Step.Op == plan.Create && key.Kind == access.KindBinding && key.Name != "" && r.tenant.owned[key] == "" &&
			r.attempts[o.Step.ID] == 1 && fault.Class(o.Err) != fault.ErrUnavailable: //nolint:errorlint // a class is compared as it is
			delete(r.tenant.owned, key)
		}
	}
	return nil
}

// GroupRefs implements reconcile.Ledger.
func (r *records) GroupRefs(context.Context) (map[string]string, error) {
	r.tenant.mu.Lock()
	defer r.tenant.mu.Unlock()
	refs := map[string]string{}
	for key, ref := range r.tenant.owned {
		if key.Kind == access.KindGroup {
			refs[key.Group] = ref
		}
	}
	return refs, nil
}

// done returns the IDs of the steps that are done.
func (r *records) done() map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	done := map[string]bool{}
	for id, o := range r.outcomes {
		done[id] = o.Err == nil
	}
	maps.DeleteFunc(done, func(_ string, is bool) bool { return !is })
	return done
}

// failures returns the errors of the steps that failed, one a line.
func (r *records) failures() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []string
	for _, o := range r.outcomes {
		if o.Err != nil {
			lines = append(lines, fmt.Sprintf("%s: %v", named(o.Step), o.Err))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// execute applies a plan as a run does, on top of what the records have.
func (t *tenant) execute(p plan.Plan, d driver.Driver, r *records) (reconcile.Report, error) {
	t.Helper()
	config := reconcile.Config{Plan: p, Driver: d, Scope: t.scope, Ledger: r, Done: r.done()}
	waves := p.Waves(t.profile.Unit)
	if t.suite.execute != nil {
		return t.suite.execute(t.Context(), config, waves)
	}
	e := reconcile.New(config)
	err := e.Execute(t.Context(), waves)
	return e.Report(), err
}

// approved is what a run would do now, with all that a guard holds approved.
func (t *tenant) approved(desired access.State) plan.Plan {
	t.Helper()
	t.know(desired.Groups...)
	in := t.input(desired, t.look())
	in.Approved = plan.Make(in).HeldRemovals()
	return plan.Make(in)
}
