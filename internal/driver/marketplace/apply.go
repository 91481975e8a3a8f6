package marketplace

import (
	"context"

	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/marketplace/rules"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Apply implements driver.Driver.
func (d *Driver) Apply(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
	return d.handlers.Apply(ctx, rules.Type, rules.Fit, scope, steps)
}
