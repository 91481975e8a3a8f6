package kubernetes

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"

	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Config is what the driver reads of a platform document's
// spec.config.kubernetes.
type Config struct {
	// Server is the API server's address. It is https, or http to this machine.
	Server string `json:"server"`
	// CAFile or CAData, in base64, holds the certificates in PEM that the server
	// is trusted by. Without them it is the kubeconfig's, else the system's.
	CAFile      string `json:"caFile"`
	CAData      string `json:"caData"`
	Replication struct {
		Credentials credentials `json:"credentials"`
	} `json:"replication"`
}

// Driver is one cluster behind the port.
type Driver struct {
	platform string
	api      *api
	roles    *roleNames
	handlers driver.Table
}

var (
	_ driver.Driver = (*Driver)(nil)
	_ driver.Open   = Open
)

// Open returns a driver on the cluster that the settings name. It reads the
// credentials, so that a missing one is known at once, and makes no call.
func Open(_ context.Context, config driver.Config) (driver.Driver, error) {
	wrong := func(err error) error { return fmt.Errorf("kubernetes: platform %q: %w", config.Platform, err) }
	var settings Config
	if err := json.Unmarshal(config.Settings, &settings); err != nil {
		return nil, wrong(fmt.Errorf("%w: settings: %w", fault.ErrInvalid, err))
	}
	if err := settings.check(); err != nil {
		return nil, wrong(err)
	}
	getenv := config.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	from, err := settings.Replication.Credentials.source(getenv)
	if err != nil {
		return nil, wrong(err)
	}
	s := &session{settings: settings, from: from, budget: config.Budget}
	if _, err := s.client(); err != nil {
		return nil, wrong(err)
	}
	d := &Driver{platform: config.Platform, api: &api{session: s}, roles: newRoleNames()}
	d.handlers = d.table()
	return d, nil
}

// check refuses settings that cannot work.
func (c Config) check() error {
	u, err := url.Parse(c.Server)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		// The text is not quoted: it may hold a password.
		return fmt.Errorf("%w: server is not the API server's address: write https://host:6443", fault.ErrInvalid)
	}
	if c.CAFile != "" && c.CAData != "" {
		return fmt.Errorf("%w: give caFile or caData, not both", fault.ErrInvalid)
	}
	if _, err := base64.StdEncoding.DecodeString(c.CAData); err != nil {
		return fmt.Errorf("%w: caData is not base64", fault.ErrInvalid)
	}
	return nil
}

// ca returns the certificates that the settings name, if any.
func (c Config) ca() ([]byte, error) {
	if c.CAFile == "" {
		return base64.StdEncoding.DecodeString(c.CAData)
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("%w: caFile: %w", fault.ErrInvalid, err)
	}
	return pem, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// String names the platform and nothing of what the driver knows.
func (d *Driver) String() string { return "kubernetes " + d.platform }

// Profile implements driver.Driver.
func (*Driver) Profile() driver.Profile { return rules.Profile() }

// Fit implements driver.Driver.
func (*Driver) Fit(o plan.Object) error { return rules.Fit(o) }
