package cloudfoundry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/cloudfoundry/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Connection is what the driver reads of a connection of type cloudfoundry.
type Connection struct {
	// APIURL is the Cloud Controller's address.
	APIURL string `json:"apiUrl"`
	// UAAURL is UAA's; the Cloud Controller tells it where it is not given.
	UAAURL string            `json:"uaaUrl"`
	Auth   credential.Config `json:"auth"`
}

// Driver is one Cloud Foundry behind the port.
type Driver struct {
	platform string
	api      *api
	origin   string
	// creates is true where accounts of the origin are created.
	creates bool
	// jobTimeout is how long one Apply polls a job.
	jobTimeout time.Duration
	orgs       orgs
	handlers   driver.Table
}

var (
	_ driver.Driver = (*Driver)(nil)
	_ driver.Sharer = (*Driver)(nil)
	_ driver.Open   = Open
)

// Open returns a driver on the Cloud Foundry that the connection names. It reads
// the credentials, so that a missing one is known at once, and makes no call.
func Open(_ context.Context, config driver.Config) (driver.Driver, error) {
	wrong := func(err error) error { return fmt.Errorf("cloudfoundry: platform %q: %w", config.Platform, err) }
	var settings rules.Settings
	var connection Connection
	if err := errors.Join(config.Decode(&settings), config.Connection.Decode(&connection)); err != nil {
		return nil, wrong(err)
	}
	from, err := connection.Auth.Source(config.Connection.Dir, config.Env())
	if err != nil {
		return nil, wrong(err)
	}
	if _, err := credentials(from); err != nil {
		return nil, wrong(err)
	}
	cloud, err := address("apiUrl", connection.APIURL)
	if err != nil {
		return nil, wrong(err)
	}
	uaa := ""
	if connection.UAAURL != "" {
		if uaa, err = address("uaaUrl", connection.UAAURL); err != nil {
			return nil, wrong(err)
		}
	}
	d := &Driver{
		platform: config.Platform, api: newAPI(cloud, uaa, from, config.Connection.Budget),
		origin: settings.Origin, creates: settings.Replication.UserCreation != nil, jobTimeout: jobTimeout,
		orgs: orgs{bySpace: map[string]string{}},
	}
	if field, problem := settings.Check(); problem != "" {
		return nil, wrong(fmt.Errorf("%w: %s: %s", fault.ErrInvalid, field, problem))
	}
	d.handlers = d.table()
	return d, nil
}

// address returns an address without a slash at its end.
func address(name, text string) (string, error) {
	if !credential.IsEndpoint(text) {
		// The text is not quoted: it may hold a password.
		return "", fmt.Errorf("%w: %s is no address: write https://api.example.com, or http only to this machine", fault.ErrInvalid, name)
	}
	return strings.TrimRight(text, "/"), nil
}

// String names the platform and nothing of what the driver knows.
func (d *Driver) String() string { return "cloudfoundry " + d.platform }

// GoString keeps what the driver knows out of %#v.
func (d *Driver) GoString() string { return d.String() }

// Profile implements driver.Driver.
func (*Driver) Profile() driver.Profile { return rules.Profile() }

// Fit implements driver.Driver.
func (*Driver) Fit(o plan.Object) error { return rules.Fit(o) }

// unread is the mark of everything here.
func unread() access.Mark { return access.Unread() }
