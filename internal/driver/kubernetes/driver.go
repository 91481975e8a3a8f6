package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Config is what the driver reads of a platform document's
// spec.config.kubernetes.
type Config struct {
	Settings
	Replication struct {
		Credentials credential.Config `json:"credentials"`
	} `json:"replication"`
}

// Driver is one cluster behind the port.
type Driver struct {
	platform string
	cluster  *Cluster
	handlers driver.Table
}

var (
	_ driver.Driver = (*Driver)(nil)
	_ driver.Open   = Open
)

// Open returns a driver on the cluster that the settings name. It reads the
// credentials, so that a missing one is known at once, and makes no call.
func Open(_ context.Context, config driver.Config) (driver.Driver, error) {
	return open(config, accountDir)
}

func open(config driver.Config, account string) (driver.Driver, error) {
	wrong := func(err error) error { return fmt.Errorf("kubernetes: platform %q: %w", config.Platform, err) }
	var settings Config
	if err := json.Unmarshal(config.Settings, &settings); err != nil {
		return nil, wrong(fmt.Errorf("%w: settings: %w", fault.ErrInvalid, err))
	}
	settings.Credentials = settings.Replication.Credentials
	cluster, err := connect(settings.Settings, config, account)
	if err != nil {
		return nil, wrong(err)
	}
	d := &Driver{platform: config.Platform, cluster: cluster}
	d.handlers = d.table()
	return d, nil
}

// String names the platform and nothing of what the driver knows.
func (d *Driver) String() string { return "kubernetes " + d.platform }

// Profile implements driver.Driver.
func (*Driver) Profile() driver.Profile { return rules.Profile() }

// Fit implements driver.Driver.
func (*Driver) Fit(o plan.Object) error { return rules.Fit(o) }
