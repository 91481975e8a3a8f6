package openstack

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/openstack/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Connection is what the driver reads of a connection of type openstack.
type Connection struct {
	// URL is Keystone's address, with or without /v3.
	URL string `json:"url"`
	// DomainName or DomainID is the domain of users and groups; "default", the
	// id that every Keystone has, where neither is given.
	DomainName string            `json:"domainName"`
	DomainID   string            `json:"domainId"`
	Auth       credential.Config `json:"auth"`
}

// Driver is one Keystone behind the port.
type Driver struct {
	platform string
	api      *api
	domain   *domain
	roles    *roleNames
	made     *calls.Made
	handlers driver.Table
}

var (
	_ driver.Driver = (*Driver)(nil)
	_ driver.Open   = Open

	_ driver.RoleNamer = (*Driver)(nil)
)

// Open returns a driver on the Keystone that the connection names. It reads the
// credentials, so that a missing one is known at once, and makes no call.
func Open(_ context.Context, config driver.Config) (driver.Driver, error) {
	wrong := func(err error) error { return fmt.Errorf("openstack: platform %q: %w", config.Platform, err) }
	var settings Connection
	if err := config.Connection.Decode(&settings); err != nil {
		return nil, wrong(err)
	}
	endpoint, err := settings.endpoint()
	if err != nil {
		return nil, wrong(err)
	}
	from, err := settings.Auth.Source(config.Connection.Dir, config.Env())
	if err != nil {
		return nil, wrong(err)
	}
	if _, err := options(from); err != nil {
		return nil, wrong(err)
	}
	d := &Driver{
		platform: config.Platform,
		api:      newAPI(endpoint, from, config.Connection.Budget),
		domain:   &domain{id: settings.DomainID, name: settings.DomainName},
		roles:    &roleNames{},
		made:     &calls.Made{},
	}
	if d.domain.id == "" && d.domain.name == "" {
		d.domain.id = "default"
	}
	d.handlers = d.table()
	return d, nil
}

// endpoint returns the address with /v3/ at its end.
func (c Connection) endpoint() (string, error) {
	u, err := url.Parse(c.URL)
	if err != nil || !credential.IsEndpoint(c.URL) {
		// The text is not quoted: it may hold a password.
		return "", fmt.Errorf("%w: url is not Keystone's address: write https://host:5000/v3, or http only to this machine",
			fault.ErrInvalid)
	}
	if c.DomainName != "" && c.DomainID != "" {
		return "", fmt.Errorf("%w: give domainName or domainId, not both", fault.ErrInvalid)
	}
	u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/v3") + "/v3/"
	return u.String(), nil
}

// String names the platform and nothing of what the driver knows.
func (d *Driver) String() string { return "openstack " + d.platform }

// Profile implements driver.Driver.
func (*Driver) Profile() driver.Profile { return rules.Profile() }

// Fit implements driver.Driver.
func (*Driver) Fit(o plan.Object) error { return rules.Fit(o) }

// RoleNames implements driver.RoleNamer.
func (d *Driver) RoleNames(ctx context.Context, _ driver.Scope, role string) ([]string, error) {
	id, err := d.roles.id(ctx, d.api, role)
	return []string{role, id}, err
}
