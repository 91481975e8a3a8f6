package aws

import (
	"context"
	"fmt"
	"time"

	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/aws/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Connection is what the driver reads of a connection of type aws.
type Connection struct {
	// Region is where Identity Center lives.
	Region string `json:"region"`
	// InstanceARN and IdentityStoreID name it. What is left out is found, where
	// the credentials see exactly one.
	InstanceARN     string `json:"instanceArn"`
	IdentityStoreID string `json:"identityStoreId"`
	// Endpoint is used for all services instead of the vendor's addresses.
	Endpoint string `json:"endpoint"`
	// AssumeRole is a role to act as.
	AssumeRole *AssumeRole       `json:"assumeRole"`
	Auth       credential.Config `json:"auth"`
}

// AssumeRole is a role to act as, such as one of the account that administers
// Identity Center.
type AssumeRole struct {
	RoleARN    string `json:"roleArn"`
	ExternalID string `json:"externalId"`
}

// Driver is one Identity Center behind the port.
type Driver struct {
	platform string
	api      *api
	budget   *budget.Budget
	center   *center
	sets     *permissionSets
	joined   *memberships
	made     *calls.Made
	users    patience
	groups   patience
	accounts patience
	requests requests
	queueFor time.Duration
	watchFor time.Duration
	handlers driver.Table
}

var (
	_ driver.Driver = (*Driver)(nil)
	_ driver.Open   = Open

	_ driver.RoleNamer = (*Driver)(nil)
)

// Open returns a driver on the Identity Center that the connection names. It reads
// the credentials, so that a missing one is known at once, and makes no call.
func Open(ctx context.Context, config driver.Config) (driver.Driver, error) {
	wrong := func(err error) error { return fmt.Errorf("aws: platform %q: %w", config.Platform, err) }
	var settings Connection
	if err := config.Connection.Decode(&settings); err != nil {
		return nil, wrong(err)
	}
	if err := settings.check(); err != nil {
		return nil, wrong(err)
	}
	from, err := settings.Auth.Source(config.Connection.Dir, config.Env())
	if err != nil {
		return nil, wrong(err)
	}
	s := newSession(settings, from, config.Connection.Budget)
	if _, err := s.current(ctx); err != nil {
		return nil, wrong(err)
	}
	a := &api{session: s}
	c := &center{api: a, arn: settings.InstanceARN, store: settings.IdentityStoreID}
	d := &Driver{
		platform: config.Platform, api: a, budget: config.Connection.Budget, center: c,
		sets:   &permissionSets{api: a, center: c, names: map[string]string{}, arns: map[string]string{}},
		joined: &memberships{ids: map[membership]string{}},
		made:   &calls.Made{}, queueFor: queueFor, watchFor: watchFor,
	}
	d.handlers = d.table()
	return d, nil
}

// check refuses settings that cannot work.
func (c Connection) check() error {
	if c.Region == "" {
		return fmt.Errorf("%w: region is missing: it is where Identity Center lives", fault.ErrInvalid)
	}
	if c.AssumeRole != nil && c.AssumeRole.RoleARN == "" {
		return fmt.Errorf("%w: assumeRole needs a roleArn", fault.ErrInvalid)
	}
	if c.Endpoint == "" {
		return nil
	}
	if !credential.IsEndpoint(c.Endpoint) {
		// The text is not quoted: it may hold a password.
		return fmt.Errorf("%w: endpoint is no address: write https://host, or http only for this machine", fault.ErrInvalid)
	}
	return nil
}

// String names the platform and nothing of what the driver knows.
func (d *Driver) String() string { return "aws " + d.platform }

// Profile implements driver.Driver.
func (*Driver) Profile() driver.Profile { return rules.Profile() }

// Fit implements driver.Driver.
func (*Driver) Fit(o plan.Object) error { return rules.Fit(o) }

// RoleNames implements driver.RoleNamer: a role is a permission set.
func (d *Driver) RoleNames(ctx context.Context, _ driver.Scope, role string) ([]string, error) {
	arn, err := d.sets.arn(ctx, role)
	return []string{role, arn}, err
}
