package memory

import (
	"context"
	"fmt"
	"maps"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/memory/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/identity"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Connection is what the driver reads of a connection of type memory.
type Connection struct {
	// File holds the platform's state; see [Seed]. A relative path starts from the
	// directory of the connections.
	File string `json:"file"`
	// PageSize is how many entries of a list one call answers, 100 when it is
	// not given.
	PageSize int `json:"pageSize"`
}

// Driver is the memory platform behind the port.
type Driver struct {
	api      *client
	handlers driver.Table
}

var (
	_ driver.Driver = (*Driver)(nil)
	_ driver.Open   = Open
)

// Open returns a driver on the file that the connection names.
func Open(_ context.Context, config driver.Config) (driver.Driver, error) {
	settings := Connection{PageSize: 100}
	if err := config.Connection.Decode(&settings); err != nil {
		return nil, fmt.Errorf("memory: platform %q: %w", config.Platform, err)
	}
	if settings.File == "" || settings.PageSize < 1 {
		return nil, fmt.Errorf("memory: platform %q: %w: set file, and a pageSize of at least 1 or none", config.Platform, fault.ErrInvalid)
	}
	d := &Driver{api: &client{
		file: credential.Path(config.Connection.Dir, settings.File), page: settings.PageSize, budget: config.Connection.Budget,
	}}
	d.handlers = d.table()
	return d, nil
}

// Profile implements driver.Driver.
func (*Driver) Profile() driver.Profile { return rules.Profile() }

// Fit implements driver.Driver.
func (*Driver) Fit(o plan.Object) error { return rules.Fit(o) }

// Resolve implements driver.Driver with one list for all accounts.
func (d *Driver) Resolve(ctx context.Context, accounts []string) ([]access.Resolution, error) {
	if len(accounts) == 0 {
		return nil, ctx.Err()
	}
	names := make(map[string]bool, len(accounts))
	for _, name := range accounts {
		names[identity.SearchKey(name)] = true
	}
	users, err := d.api.users(ctx, names)
	if err != nil {
		return nil, err
	}
	known := driver.NewAccounts(d.Profile().AccountNames)
	for _, u := range users {
		state := access.Yes
		if u.Disabled {
			state = access.Disabled
		}
		for _, name := range u.names() {
			known.Add(name, u.ID, state)
		}
	}
	answers := make([]access.Resolution, len(accounts))
	for i, name := range accounts {
		answers[i] = known.Find(name)
	}
	return answers, nil
}

// Observe implements driver.Driver with three lists for any number of scopes.
func (d *Driver) Observe(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
	if len(scopes) == 0 {
		return nil, ctx.Err()
	}
	found, err := d.inventory(ctx, scopes)
	if err != nil {
		return nil, err
	}
	observations := make([]driver.Observation, len(scopes))
	for i, scope := range scopes {
		observations[i] = found.at(scope)
	}
	return observations, nil
}

// inventory reads all there is at the scopes. Groups are read last: whatever
// the bindings name is then among them, or was deleted meanwhile.
func (d *Driver) inventory(ctx context.Context, scopes []driver.Scope) (inventory, error) {
	tenants, ids, names := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, scope := range scopes {
		tenants[scope.ID] = true
		groupIDs, groupNames := wantedGroups(scope)
		maps.Copy(ids, groupIDs)
		maps.Copy(names, groupNames)
	}
	found := inventory{tenants: map[string]bool{}, bindings: map[string][]bindingEntry{}}
	existing, err := d.api.tenants(ctx, tenants)
	if err != nil {
		return inventory{}, err
	}
	for _, t := range existing {
		found.tenants[t.ID] = true
	}
	bindings, err := d.api.bindings(ctx, tenants)
	if err != nil {
		return inventory{}, err
	}
	for _, b := range bindings {
		found.bindings[b.Tenant] = append(found.bindings[b.Tenant], b)
		ids[b.Group] = true
	}
	if len(ids)+len(names) == 0 {
		return found, nil
	}
	if found.groups, err = d.api.groups(ctx, ids, names); err != nil {
		return inventory{}, err
	}
	return found, nil
}
