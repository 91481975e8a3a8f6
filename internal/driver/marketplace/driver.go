package marketplace

import (
	"context"
	"fmt"

	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/marketplace/rules"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Driver is one Entra tenant behind the port. Its connection is
// of type azure.
type Driver struct {
	platform string
	api
	handlers driver.Table
}

var (
	_ driver.Driver = (*Driver)(nil)
	_ driver.Open   = Open
)

// Open returns a driver on the Entra tenant that the connection names. It reads the
// credentials, so that a missing one is known at once, and makes no call.
func Open(_ context.Context, config driver.Config) (driver.Driver, error) {
	api, err := connect(config)
	if err != nil {
		return nil, fmt.Errorf("marketplace: platform %q: %w", config.Platform, err)
	}
	return &Driver{platform: config.Platform, api: api, handlers: api.Table()}, nil
}

// String names the platform and nothing of what the driver knows.
func (d *Driver) String() string { return "marketplace " + d.platform }

// Profile implements driver.Driver.
func (*Driver) Profile() driver.Profile { return rules.Profile() }

// Fit implements driver.Driver.
func (*Driver) Fit(o plan.Object) error { return rules.Fit(o) }
