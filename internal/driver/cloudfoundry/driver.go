package cloudfoundry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/cloudfoundry/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Config is what the driver reads of a platform document's
// spec.config.cloudfoundry.
type Config struct {
	// APIURL is the Cloud Controller's address.
	APIURL string `json:"apiUrl"`
	// UAAURL is UAA's; the Cloud Controller tells it where it is not given.
	UAAURL string `json:"uaaUrl"`
	// Origin is where people are looked up; anywhere if it is not given.
	Origin      string `json:"origin"`
	Replication struct {
		Credentials  credential.Config `json:"credentials"`
		UserCreation *struct {
			Origin string `json:"origin"`
		} `json:"userCreation"`
	} `json:"replication"`
}

// Driver is one Cloud Foundry behind the port.
type Driver struct {
	platform string
	api      *api
	origin   string
	// newOrigin is where accounts are made; empty where none are.
	newOrigin string
	orgs      orgs
	handlers  driver.Table
}

var (
	_ driver.Driver = (*Driver)(nil)
	_ driver.Sharer = (*Driver)(nil)
	_ driver.Open   = Open
)

// Open returns a driver on the Cloud Foundry that the settings name. It reads
// the credentials, so that a missing one is known at once, and makes no call.
func Open(_ context.Context, config driver.Config) (driver.Driver, error) {
	wrong := func(err error) error { return fmt.Errorf("cloudfoundry: platform %q: %w", config.Platform, err) }
	var settings Config
	if err := json.Unmarshal(config.Settings, &settings); err != nil {
		return nil, wrong(fmt.Errorf("%w: settings: %w", fault.ErrInvalid, err))
	}
	getenv := config.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	from, err := settings.Replication.Credentials.Source(getenv)
	if err != nil {
		return nil, wrong(err)
	}
	if _, err := credentials(from); err != nil {
		return nil, wrong(err)
	}
	cloud, err := address("apiUrl", settings.APIURL)
	if err != nil {
		return nil, wrong(err)
	}
	uaa := ""
	if settings.UAAURL != "" {
		if uaa, err = address("uaaUrl", settings.UAAURL); err != nil {
			return nil, wrong(err)
		}
	}
	d := &Driver{
		platform: config.Platform, api: newAPI(cloud, uaa, from, config.Budget),
		origin: settings.Origin, orgs: orgs{bySpace: map[string]string{}},
	}
	if creation := settings.Replication.UserCreation; creation != nil {
		if creation.Origin == "" || creation.Origin == "uaa" {
			return nil, wrong(fmt.Errorf("%w: userCreation needs the origin that accounts are to have, and not uaa: "+
				"those have a password", fault.ErrInvalid))
		}
		d.newOrigin = creation.Origin
	}
	d.handlers = d.table()
	return d, nil
}

// address returns an http address without a slash at its end.
func address(name, text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		// The text is not quoted: it may hold a password.
		return "", fmt.Errorf("%w: %s is no address: write https://api.example.com", fault.ErrInvalid, name)
	}
	return strings.TrimRight(u.String(), "/"), nil
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
