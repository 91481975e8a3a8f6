package gcp

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/gcp/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/identity"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Connection is what the driver reads of a connection of type gcp.
type Connection struct {
	// Domain is the domain of the groups' addresses.
	Domain string `json:"domain"`
	// CustomerID is the Workspace customer's id, "C" and letters and digits.
	CustomerID string `json:"customerId"`
	// Impersonate is the address of an administrator for whom groups and users are
	// read and written, by domain-wide delegation.
	Impersonate string `json:"impersonate"`
	// Endpoint is one address for all APIs; Endpoints are addresses of single
	// ones. Without them they are Google's.
	Endpoint  string            `json:"endpoint"`
	Endpoints Endpoints         `json:"endpoints"`
	Auth      credential.Config `json:"auth"`
}

// Settings is what the driver reads of a platform document's spec.config.gcp.
type Settings struct {
	Replication struct {
		// UserLookUpStrategy is "email", which is the default, or "externalId".
		UserLookUpStrategy string `json:"userLookUpStrategy"`
	} `json:"replication"`
}

// Endpoints are the addresses of the APIs, each https or on this machine.
type Endpoints struct {
	// Token is where access tokens come from, instead of what the credentials say.
	Token           string `json:"token"`
	CloudIdentity   string `json:"cloudIdentity"`
	Directory       string `json:"directory"`
	ResourceManager string `json:"resourceManager"`
}

// Driver is one organization behind the port.
type Driver struct {
	platform   string
	domain     string
	byExternal bool
	budget     *budget.Budget
	api        *api
	made       *calls.Made
	names      *membershipNames
	handlers   driver.Table
}

var (
	_ driver.Driver = (*Driver)(nil)
	_ driver.Open   = Open
)

var (
	domainName = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+$`)
	customerID = regexp.MustCompile(`^C[A-Za-z0-9]+$`)
)

// Open returns a driver on the organization that the connection names. It reads the
// credentials, so that a missing one is known at once, and makes no call.
func Open(ctx context.Context, config driver.Config) (driver.Driver, error) {
	wrong := func(err error) error { return fmt.Errorf("gcp: platform %q: %w", config.Platform, err) }
	var settings Settings
	var connection Connection
	if err := errors.Join(config.Decode(&settings), config.Connection.Decode(&connection)); err != nil {
		return nil, wrong(err)
	}
	if err := errors.Join(settings.check(), connection.check()); err != nil {
		return nil, wrong(err)
	}
	from, err := newSource(connection, config.Connection.Dir, config.Env())
	if err != nil {
		return nil, wrong(err)
	}
	google, err := newAPI(ctx, connection, from, config.Connection.Budget)
	if err != nil {
		return nil, wrong(err)
	}
	d := &Driver{
		platform: config.Platform, domain: connection.Domain, budget: config.Connection.Budget, api: google,
		byExternal: settings.Replication.UserLookUpStrategy == "externalId",
		made:       &calls.Made{},
		names:      &membershipNames{},
	}
	d.handlers = d.table()
	return d, nil
}

// check refuses settings that cannot work.
func (s Settings) check() error {
	if s := s.Replication.UserLookUpStrategy; s != "" && s != "email" && s != "externalId" {
		return fmt.Errorf("%w: userLookUpStrategy %q: write email or externalId", fault.ErrInvalid, s)
	}
	return nil
}

// check refuses a connection that cannot work.
func (c Connection) check() error {
	if !domainName.MatchString(c.Domain) {
		return fmt.Errorf("%w: domain %q is not a domain: write it in lower case, as example.com", fault.ErrInvalid, c.Domain)
	}
	if !customerID.MatchString(c.CustomerID) {
		return fmt.Errorf("%w: customerId %q is not a customer's id: it begins with C", fault.ErrInvalid, c.CustomerID)
	}
	for name, address := range map[string]string{
		"endpoint": c.Endpoint, "endpoints.token": c.Endpoints.Token, "endpoints.cloudIdentity": c.Endpoints.CloudIdentity,
		"endpoints.directory": c.Endpoints.Directory, "endpoints.resourceManager": c.Endpoints.ResourceManager,
	} {
		if address != "" && !credential.IsEndpoint(address) {
			// The text is not quoted: it may hold a password.
			return fmt.Errorf("%w: %s is not an address: write an https URL, or http to this machine", fault.ErrInvalid, name)
		}
	}
	return nil
}

// address returns where an API is: at its own endpoint, else at the one for all,
// else where Google has it. It ends in a slash.
func (c Connection) address(own, google string) string {
	for _, at := range []string{own, c.Endpoint, google} {
		if at != "" {
			return strings.TrimSuffix(at, "/") + "/"
		}
	}
	return ""
}

// String names the platform and nothing of what the driver knows.
func (d *Driver) String() string { return "gcp " + d.platform }

// Format keeps what the driver knows out of every way to print it.
func (d *Driver) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(d.String())) }

// Profile implements driver.Driver. External ids, unlike addresses, are compared exactly.
func (d *Driver) Profile() driver.Profile {
	profile := rules.Profile()
	if d.byExternal {
		profile.AccountNames = identity.Exact
	}
	return profile
}

// Fit implements driver.Driver.
func (*Driver) Fit(o plan.Object) error { return rules.Fit(o) }
