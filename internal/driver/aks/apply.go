package aks

import (
	"context"
	"errors"
	"fmt"

	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/aks/rules"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Apply implements driver.Driver.
func (d *Driver) Apply(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
	if !kubernetes.IsNamespace(scope.ID) && !driver.TakesFromGroups(inNamespace(steps)) {
		return driver.Refuse(steps, fmt.Errorf("aks: %w: %q is not the name of a namespace", fault.ErrInvalid, scope.ID))
	}
	return d.handlers.Apply(ctx, rules.Type, rules.Fit, scope, steps)
}

// createBinding gives the role in Azure, or in the namespace.
func (d *Driver) createBinding(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	if want, is := ofAzure(*step.Want.Binding); is {
		return d.grants.Give(ctx, scope, d.resource, want)
	}
	want := *step.Want.Binding
	var ref string
	_, err := d.WithGroup(ctx, scope, want.GroupRef, want.Group, func(group string) (err error) {
		ref, err = d.cluster.GiveGroup(ctx, scope, want, group)
		return err
	})
	return ref, err
}

// deleteBinding takes the role away where it was given.
func (d *Driver) deleteBinding(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	if have, is := ofAzure(*step.Have.Binding); is {
		return d.grants.Take(ctx, scope, d.resource, have)
	}
	have := *step.Have.Binding
	_, err := d.WithGroup(ctx, scope, have.GroupRef, have.Group, func(group string) error {
		have.Group = group // the subject
		return d.cluster.TakeGroup(ctx, scope, have)
	})
	if errors.Is(err, fault.ErrNotFound) {
		err = nil // without its group it gives nothing
	}
	return have.Ref, err
}
