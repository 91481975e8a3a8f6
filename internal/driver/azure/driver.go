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
)

// Open returns a driver on the cloud that the settings name. It reads the
// credentials, so that a missing one is known at once, and makes no call.
func Open(_ context.Context, config driver.Config) (driver.Driver, error) {
	directory, grants, err := Connect(config)
	if err != nil {
		return nil, fmt.Errorf("azure: platform %q: %w", config.Platform, err)
	}
	d := &Driver{platform: config.Platform, Directory: directory, grants: grants}
	d.handlers = d.table()
	return d, nil
}

// Connect returns both parts of the driver, for platforms that build on them. The
// settings are those of Config.
func Connect(config driver.Config) (*Directory, *Grants, error) {
	settings, by, err := read(config)
	if err != nil {
		return nil, nil, err
	}
	source, err := settings.Replication.Credentials.Source(environment(config))
	if err != nil {
		return nil, nil, err
	}
	who := identity{source: source, getenv: environment(config), tenant: settings.TenantID, login: settings.Endpoints.Login}
	if _, err := who.credential(); err != nil {
		return nil, nil, err
	}
	cloud := connect(settings, who, config.Budget)
	toGraph, err := cloud.to(settings.Endpoints.Graph, publicGraph)
	if err != nil {
		return nil, nil, err
	}
	toARM, err := cloud.to(settings.Endpoints.ResourceManager, publicARM)
	if err != nil {
		return nil, nil, err
	}
	graph, err := newGraph(settings.Endpoints.Graph, toGraph)
	if err != nil {
		return nil, nil, err
	}
	api, err := newResources(settings.Endpoints.ResourceManager, toARM)
	if err != nil {
		return nil, nil, err
	}
	directory := &Directory{
		graph: graph, by: by, unit: settings.AdministrativeUnitID, invite: settings.Replication.Invitation,
		made: &calls.Made{},
	}
	return directory, &Grants{api: api, roles: newRoleNames(settings.Replication.RoleMappings), directory: directory}, nil
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
