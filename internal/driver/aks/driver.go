package aks

import (
	"context"
	"fmt"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/aks/rules"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Driver is one cluster and its Entra tenant behind the port.
type Driver struct {
	platform string
	api
	handlers driver.Table
}

var (
	_ driver.Driver = (*Driver)(nil)
	_ driver.Open   = Open

	_ driver.RoleNamer = (*Driver)(nil)
)

// Open returns a driver on the cluster and the Entra tenant that the settings
// name. It reads both credentials, so that a missing one is known at once, and
// makes no call.
func Open(_ context.Context, config driver.Config) (driver.Driver, error) {
	api, err := connect(config)
	if err != nil {
		return nil, fmt.Errorf("aks: platform %q: %w", config.Platform, err)
	}
	d := &Driver{platform: config.Platform, api: api, handlers: api.Table()}
	d.handlers[driver.Change{Kind: access.KindBinding, Op: plan.Create}] = d.createBinding
	d.handlers[driver.Change{Kind: access.KindBinding, Op: plan.Delete}] = d.deleteBinding
	return d, nil
}

// String names the platform and nothing of what the driver knows.
func (d *Driver) String() string { return "aks " + d.platform }

// Profile implements driver.Driver.
func (*Driver) Profile() driver.Profile { return rules.Profile() }

// Fit implements driver.Driver.
func (*Driver) Fit(o plan.Object) error { return rules.Fit(o) }

// RoleNames implements driver.RoleNamer: a role is one of the cluster, or one of Azure
// on the cluster.
func (d *Driver) RoleNames(ctx context.Context, _ driver.Scope, role string) ([]string, error) {
	azure, is := ofAzure(access.Binding{Role: role})
	if !is {
		return []string{role}, nil
	}
	names, err := d.grants.RoleNames(ctx, d.resource, azure.Role)
	for _, name := range names {
		names = append(names, rules.OfAzure+name)
	}
	return names, err
}

// Check implements driver.Checker: both accounts have to be accepted.
func (d *Driver) Check(ctx context.Context) error {
	if _, err := d.Resolve(ctx, []string{"rollcall-connection-check"}); err != nil {
		return err
	}
	return d.cluster.Check(ctx)
}
