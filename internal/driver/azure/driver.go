package azure

import (
	"context"
	"fmt"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/azure/rules"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Driver is one Entra tenant with its subscriptions behind the port.
type Driver struct {
	platform string
	*Directory
	grants   *Grants
	handlers driver.Table
}

var (
	_ driver.Driver = (*Driver)(nil)
	_ driver.Open   = Open

	_ driver.RoleNamer = (*Driver)(nil)
)

// Open returns a driver on the cloud that the connection names. It reads the
// credentials, so that a missing one is known at once, and makes no call.
func Open(_ context.Context, config driver.Config) (driver.Driver, error) {
	directory, grants, err := Connect(config, config.Connection)
	if err != nil {
		return nil, fmt.Errorf("azure: platform %q: %w", config.Platform, err)
	}
	d := &Driver{platform: config.Platform, Directory: directory, grants: grants}
	d.handlers = d.table()
	return d, nil
}

// Connect returns both parts of the driver, for platforms that build on them. The
// connection is of type azure, the document's settings are those of Settings.
func Connect(config driver.Config, with driver.Connection) (*Directory, *Grants, error) {
	document, by, err := read(config, with)
	if err != nil {
		return nil, nil, err
	}
	settings, err := account(with)
	if err != nil {
		return nil, nil, err
	}
	source, err := settings.Auth.Source(with.Dir, config.Env())
	if err != nil {
		return nil, nil, err
	}
	who := identity{
		source: source, getenv: config.Env(), tenant: settings.TenantID, client: settings.ClientID, login: settings.Endpoints.Login,
	}
	if _, err := who.credential(); err != nil {
		return nil, nil, err
	}
	cloud := connect(settings, who, with.Budget)
	toGraph, err := cloud.to(settings.Endpoints.Graph, publicGraph)
	if err != nil {
		return nil, nil, err
	}
	toARM, err := cloud.to(settings.Endpoints.ResourceManager, publicARM)
	if err != nil {
		return nil, nil, err
	}
	api, err := newResources(settings.Endpoints.ResourceManager, toARM)
	if err != nil {
		return nil, nil, err
	}
	directory := &Directory{
		graph: newGraph(settings.Endpoints.Graph, toGraph), by: by, unit: settings.AdministrativeUnitID,
		invite: document.Replication.Invitation, made: &calls.Made{},
	}
	return directory, &Grants{api: api, roles: newRoleNames(document.Replication.RoleMappings), directory: directory}, nil
}

// String names the platform and nothing of what the driver knows.
func (d *Driver) String() string { return "azure " + d.platform }

// Profile implements driver.Driver.
func (*Driver) Profile() driver.Profile { return rules.Profile() }

// Fit implements driver.Driver.
func (*Driver) Fit(o plan.Object) error { return rules.Fit(o) }

// Table is what a directory can do: groups, their members, and people who are
// invited.
func (d *Directory) Table() driver.Table {
	return driver.Table{
		{Kind: access.KindGroup, Op: plan.Create}:   d.createGroup,
		{Kind: access.KindGroup, Op: plan.Change}:   d.changeGroup,
		{Kind: access.KindGroup, Op: plan.Delete}:   d.deleteGroup,
		{Kind: access.KindMembers, Op: plan.Change}: d.changeMembers,
		{Kind: access.KindAccount, Op: plan.Create}: d.bringIn,
	}
}

// RoleNames implements driver.RoleNamer.
func (d *Driver) RoleNames(ctx context.Context, scope driver.Scope, role string) ([]string, error) {
	return d.grants.RoleNames(ctx, scopeOf(scope.ID), role)
}
