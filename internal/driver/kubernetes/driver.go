package kubernetes

import (
	"context"
	"fmt"

	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes/rules"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

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

// Open returns a driver on the cluster that the connection names. It reads the
// credentials, so that a missing one is known at once, and makes no call.
func Open(_ context.Context, config driver.Config) (driver.Driver, error) {
	return open(config, accountDir)
}

func open(config driver.Config, account string) (driver.Driver, error) {
	cluster, err := connect(config.Connection, config.Env(), account)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: platform %q: %w", config.Platform, err)
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

// Check implements driver.Checker.
func (d *Driver) Check(ctx context.Context) error { return d.cluster.Check(ctx) }
