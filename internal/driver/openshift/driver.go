package openshift

import (
	"context"
	"fmt"

	userv1 "github.com/openshift/api/user/v1"

	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes"
	"github.com/rollcall-iam/rollcall/internal/driver/openshift/rules"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Driver is one OpenShift behind the port.
type Driver struct {
	platform string
	api      *api
	handlers driver.Table
}

var (
	_ driver.Driver = (*Driver)(nil)
	_ driver.Open   = Open
)

// Open returns a driver on the cluster that the connection names. It reads the
// credentials, so that a missing one is known at once, and makes no call.
func Open(_ context.Context, config driver.Config) (driver.Driver, error) {
	cluster, err := kubernetes.Connect(config.Connection, config.Env(), func(c *kubernetes.Connection) { c.Types = userv1.Install })
	if err != nil {
		return nil, fmt.Errorf("openshift: platform %q: %w", config.Platform, err)
	}
	d := &Driver{platform: config.Platform, api: &api{cluster: cluster, seen: newSeen()}}
	d.handlers = d.table()
	return d, nil
}

// String names the platform and nothing of what the driver knows.
func (d *Driver) String() string { return "openshift " + d.platform }

// Profile implements driver.Driver.
func (*Driver) Profile() driver.Profile { return rules.Profile() }

// Fit implements driver.Driver.
func (*Driver) Fit(o plan.Object) error { return rules.Fit(o) }
