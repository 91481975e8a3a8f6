package azure

import (
	"context"
	"fmt"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/azure/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// table is all that Apply can do. What is not in it is refused.
func (d *Driver) table() driver.Table {
	table := d.Table()
	table[driver.Change{Kind: access.KindBinding, Op: plan.Create}] = d.createBinding
	table[driver.Change{Kind: access.KindBinding, Op: plan.Change}] = d.changeBinding
	table[driver.Change{Kind: access.KindBinding, Op: plan.Delete}] = d.deleteBinding
	return table
}

// Apply implements driver.Driver.
func (d *Driver) Apply(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
	if scopeOf(scope.ID) == "" && !driver.TakesFromGroups(steps) {
		err := fmt.Errorf("azure: %w: %q is not the id of a subscription or resource group", fault.ErrInvalid, scope.ID)
		return driver.Refuse(steps, err)
	}
	return d.handlers.Apply(ctx, rules.Type, rules.Fit, scope, steps)
}

func (d *Driver) createBinding(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	return d.grants.Give(ctx, scope, scopeOf(scope.ID), *step.Want.Binding)
}

func (d *Driver) changeBinding(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	if step.Want.Binding == nil || step.Have.Binding == nil {
		return "", fmt.Errorf("azure: %w: a change of a condition without those before and after", fault.ErrInvalid)
	}
	return d.grants.Limit(ctx, scope, scopeOf(scope.ID), *step.Have.Binding, *step.Want.Binding)
}

func (d *Driver) deleteBinding(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	return d.grants.Take(ctx, scope, scopeOf(scope.ID), *step.Have.Binding)
}
