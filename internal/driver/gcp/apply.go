package gcp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/gcp/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// table is all that Apply can do. What is not in it is refused. The handlers of
// bindings write nothing: they find out what the policy has to say, and Apply
// writes it for all of them.
func (d *Driver) table() driver.Table {
	return driver.Table{
		{Kind: access.KindGroup, Op: plan.Create}:   d.createGroup,
		{Kind: access.KindGroup, Op: plan.Change}:   d.adoptGroup,
		{Kind: access.KindGroup, Op: plan.Delete}:   d.deleteGroup,
		{Kind: access.KindMembers, Op: plan.Change}: d.changeMembers,
		{Kind: access.KindBinding, Op: plan.Create}: d.prepareBinding,
		{Kind: access.KindBinding, Op: plan.Delete}: d.prepareBinding,
	}
}

// Apply implements driver.Driver: the steps in order, those about bindings that
// follow one another as one write of the policy.
func (d *Driver) Apply(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
	if !isProject(scope.ID) && !driver.TakesFromGroups(steps) {
		return driver.Refuse(steps, fmt.Errorf("gcp: %w: %q is not the id of a project", fault.ErrInvalid, scope.ID))
	}
	results := make([]driver.Result, len(steps))
	var waiting []int // steps that the policy still has to be written for
	for i, step := range steps {
		if step.Kind != access.KindBinding {
			d.applyBindings(ctx, scope, steps, waiting, results)
			waiting = nil
		}
		results[i] = d.handlers.Apply(ctx, rules.Type, rules.Fit, scope, steps[i:i+1])[0]
		if step.Kind == access.KindBinding && results[i].Err == nil {
			waiting = append(waiting, i)
		}
	}
	d.applyBindings(ctx, scope, steps, waiting, results)
	return results
}

// prepareBinding checks what can be checked of a binding before the policy is
// read, and returns how it is called.
func (d *Driver) prepareBinding(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	want := step.Want.Binding
	if step.Op == plan.Delete {
		have := step.Have.Binding
		if have.Ref != "" {
			return have.Ref, nil
		}
		return bindingRef(scope.ID, have.Role, d.email(have.Group), have.Name), nil
	}
	// A role that is carried over keeps the condition that its name says; there is
	// none to make one of.
	if (want.Name != "" || want.Condition != "") && (!want.Carried || want.Name == "") {
		return "", fmt.Errorf("gcp: role %q: %w: roles are given without conditions", want.Role, fault.ErrUnsupported)
	}
	// A group that the plan has not seen may be somebody else's by now.
	if _, err := d.known(ctx, scope, want.GroupRef, want.Group); err != nil {
		return "", err
	}
	return bindingRef(scope.ID, want.Role, d.email(want.Group), want.Name), nil
}

// applyBindings makes the steps true in one write. Where the policy is refused as
// invalid, each of several is tried on its own: one of them is to blame.
func (d *Driver) applyBindings(ctx context.Context, scope driver.Scope, steps []plan.Step, which []int, results []driver.Result) {
	if len(which) == 0 {
		return
	}
	err := d.writeBindings(ctx, scope, steps, which)
	if err == nil {
		return
	}
	if len(which) > 1 && (errors.Is(err, fault.ErrInvalid) || errors.Is(err, errUnknownMember)) {
		for _, i := range which {
			d.applyBindings(ctx, scope, steps, []int{i}, results)
		}
		return
	}
	for _, i := range which {
		results[i] = driver.Result{Err: d.blame(ctx, scope, steps[i], err)}
	}
}

// writeBindings reads the policy, makes all changes, and writes it if that takes
// any.
func (d *Driver) writeBindings(ctx context.Context, scope driver.Scope, steps []plan.Step, which []int) error {
	// Google has no lock; this one only spares our own workers the conflicts.
	release, err := d.budget.Hold(ctx, "project/"+scope.ID, 1)
	if err != nil {
		return failure(ctx, "waiting for the project "+scope.ID, err)
	}
	defer release()
	p, err := d.api.readPolicy(ctx, scope.ID)
	if isNotFound(err) && removesOnly(steps, which) {
		return nil // there are no roles on a project that is gone
	}
	if err != nil {
		return err
	}
	changed := false
	for _, i := range which {
		g := d.grant(steps[i])
		if g.give && g.name != "" && !p.knows(g) {
			return fmt.Errorf("gcp: role %q: %w: nobody has it under the condition %q any more", g.role, fault.ErrConflict, g.name)
		}
		changed = p.make(g) || changed
	}
	if !changed {
		return nil
	}
	return d.api.writePolicy(ctx, scope.ID, p)
}

func removesOnly(steps []plan.Step, which []int) bool {
	for _, i := range which {
		if steps[i].Op != plan.Delete {
			return false
		}
	}
	return true
}

// grant is what the step wants of the policy.
func (d *Driver) grant(step plan.Step) grant {
	b, give := step.Have.Binding, false
	if step.Op == plan.Create {
		b, give = step.Want.Binding, true
	}
	return grant{role: b.Role, name: b.Name, member: groupPrefix + d.email(b.Group), give: give}
}

// blame says what a refused policy means for the step: a group that IAM does not
// know is too young or gone. If it is neither, the policy is refused for good.
func (d *Driver) blame(ctx context.Context, scope driver.Scope, step plan.Step, err error) error {
	if !errors.Is(err, errUnknownMember) || step.Op != plan.Create {
		return err
	}
	name := step.Want.Binding.Group
	g, failed := d.ourGroup(ctx, scope, name)
	if isNotFound(failed) && d.made.Get(scope.Mark, name) != "" { // reads may not show it yet
		_, failed = d.appearing(ctx, scope, name)
	}
	switch {
	case isNotFound(failed), errors.Is(failed, errNotYet):
		d.made.Forget(scope.Mark, name)
		return fmt.Errorf("gcp: group %q: %w: somebody has deleted it", name, fault.ErrNotFound)
	case failed != nil:
		return failed
	case !d.young(ctx, g):
		return fmt.Errorf("%w, for the group %q", err, name)
	default:
		return fmt.Errorf("gcp: group %q: %w: IAM may not know a group so new yet: %s", name, fault.ErrUnavailable, err.Error())
	}
}

// young reports whether the group may be too new for IAM to know it. A group whose age
// cannot be read is.
func (d *Driver) young(ctx context.Context, g group) bool {
	if g.created.IsZero() {
		read, err := d.api.groupOf(ctx, g.ref)
		if err != nil || read.created.IsZero() {
			return true
		}
		g = read
	}
	return time.Since(g.created) < unknownFor
}

// known returns the id of the step's group: what the plan or this driver knows,
// else that of our group of the name.
func (d *Driver) known(ctx context.Context, scope driver.Scope, ref, name string) (string, error) {
	if isGroupRef(ref) {
		return ref, nil
	}
	if ref = d.made.Get(scope.Mark, name); ref != "" {
		return ref, nil
	}
	g, err := d.ourGroup(ctx, scope, name)
	return g.ref, err
}
