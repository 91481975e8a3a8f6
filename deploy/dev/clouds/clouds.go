// Package clouds runs the simulated clouds of the one-command stack: AWS, Azure
// with Microsoft Graph, Google Cloud and Cloud Foundry, each at an address of its
// own, with the places and people that an example needs and with credentials for
// Rollcall. All of it survives a restart.
package clouds

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-iam/rollcall/internal/simulate"
	"github.com/rollcall-iam/rollcall/internal/simulate/aws"
	"github.com/rollcall-iam/rollcall/internal/simulate/azure"
	"github.com/rollcall-iam/rollcall/internal/simulate/cloudfoundry"
	"github.com/rollcall-iam/rollcall/internal/simulate/google"
)

// The names of the clouds.
const (
	AWS          = "aws"
	Azure        = "azure"
	Google       = "google"
	CloudFoundry = "cloudfoundry"
)

// firstPort is where the first cloud is looked for; the others follow.
const firstPort = 9461

// Names returns the names of all clouds, in the order of their ports.
func Names() []string { return []string{AWS, Azure, Google, CloudFoundry} }

// What does not change from one start to the next.
const (
	// Tenant is the Entra tenant, Subscription its Azure subscription.
	Tenant       = "5b2f6a0e-5f0b-4a43-9a38-6f1b7c9d2e10"
	Subscription = "c1d6f1b2-0f43-4a6e-8a11-2f9c7e5b4d20"
	// Customer is the Google customer, Domain the one of everybody's address.
	Customer = "C01harbour"
	Domain   = "example.com"
	// Region is the one that AWS answers in.
	Region = "eu-central-1"

	application    = "7e3c9b54-2a1d-4f68-b0c7-91d5e8a6f430"
	serviceAccount = "rollcall@harbour.iam.gserviceaccount.com"
	organization   = "600000000001"
)

// Clouds are the simulated clouds while they run.
type Clouds struct {
	dir     string
	servers map[string]*http.Server
	urls    map[string]string

	aws          *aws.Server
	azure        *azure.Server
	google       *google.Server
	cloudFoundry *cloudfoundry.Server

	mu   sync.Mutex // guards kept
	kept kept
}

// kept is what is known besides the clouds' own state.
type kept struct {
	Ports   map[string]string `json:"ports"`
	Secrets map[string]string `json:"secrets"`
	// Places are ids by cloud and name.
	Places map[string]string `json:"places"`
	// People are the accounts that were made, by name.
	People map[string]bool `json:"people"`
}

// Start runs all clouds with their state in dir, which is made if it is missing.
func Start(ctx context.Context, dir string) (*Clouds, error) {
	c := &Clouds{
		dir: dir, servers: map[string]*http.Server{}, urls: map[string]string{},
		kept: kept{Ports: map[string]string{}, Secrets: map[string]string{}, Places: map[string]string{}, People: map[string]bool{}},
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("clouds: %w", err)
	}
	if err := simulate.Load(c.path("clouds"), &c.kept); err != nil {
		return nil, err
	}
	if err := c.open(); err != nil {
		return nil, err
	}
	if err := c.serve(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, c.credentials()
}

func (c *Clouds) path(name string) string { return filepath.Join(c.dir, name+".json") }

// keep stores what is known. The caller has the lock, or nobody else knows c.
func (c *Clouds) keep() error { return simulate.Save(c.path("clouds"), c.kept) }

// secret returns the secret of that name, drawn the first time.
func (c *Clouds) secret(name string) string {
	if c.kept.Secrets[name] == "" {
		c.kept.Secrets[name] = rand.Text()
	}
	return c.kept.Secrets[name]
}

// open makes the simulators. Their reads lag behind writes as the vendors' do.
func (c *Clouds) open() error {
	var errs [4]error
	c.aws, errs[0] = aws.New(aws.Options{
		File: c.path(AWS), AccessKey: "AKIA" + c.secret("aws id")[:16], SecretKey: c.secret("aws key"), Assignment: time.Second,
	})
	c.azure, errs[1] = azure.New(azure.Options{File: c.path(Azure)})
	c.google, errs[2] = google.New(google.Options{File: c.path(Google), Customer: Customer, Domain: Domain, Organization: organization})
	c.cloudFoundry, errs[3] = cloudfoundry.New(cloudfoundry.Options{
		File: c.path(CloudFoundry), Clients: map[string]string{"rollcall": c.secret("cf client")}, JobTime: 200 * time.Millisecond,
	})
	return errors.Join(append(errs[:], c.keep())...)
}

// serve gives each cloud an address: that of the last time if it is free.
func (c *Clouds) serve(ctx context.Context) error {
	for i, cloud := range []struct {
		name    string
		handler http.Handler
		control *simulate.Control
	}{
		{AWS, c.aws, c.aws.Control()},
		{Azure, c.azure, c.azure.Control()},
		{Google, c.google, c.google.Control()},
		{CloudFoundry, c.cloudFoundry, c.cloudFoundry.Control()},
	} {
		listener, err := listen(ctx, c.kept.Ports[cloud.name], firstPort+i)
		if err != nil {
			return err
		}
		mux := http.NewServeMux()
		mux.Handle("/_sim/", http.StripPrefix("/_sim", cloud.control.Handler()))
		mux.Handle("/", cloud.handler)
		server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
		c.servers[cloud.name], c.urls[cloud.name] = server, "http://"+listener.Addr().String()
		_, c.kept.Ports[cloud.name], _ = strings.Cut(listener.Addr().String(), ":")
		go func() { _ = server.Serve(listener) }() // ends with Stop
	}
	return c.keep()
}

// listen takes the port of the last time, the preferred one, or any.
func listen(ctx context.Context, last string, preferred int) (net.Listener, error) {
	var config net.ListenConfig
	for _, port := range []string{last, strconv.Itoa(preferred)} {
		if port == "" {
			continue
		}
		if listener, err := config.Listen(ctx, "tcp", "127.0.0.1:"+port); err == nil {
			return listener, nil
		}
	}
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("clouds: no free port: %w", err)
	}
	return listener, nil
}

// URL returns a cloud's address.
func (c *Clouds) URL(name string) string { return c.urls[name] }

// Calls returns how often each operation of a cloud was called since it started.
func (c *Clouds) Calls(name string) map[string]int {
	switch name {
	case AWS:
		return c.aws.Control().Calls()
	case Azure:
		return c.azure.Control().Calls()
	case Google:
		return c.google.Control().Calls()
	case CloudFoundry:
		return c.cloudFoundry.Control().Calls()
	default:
		return nil
	}
}

// Stop ends all clouds; what they know stays.
func (c *Clouds) Stop() error {
	var errs []error
	for _, server := range c.servers {
		errs = append(errs, server.Close())
	}
	if c.azure != nil {
		errs = append(errs, c.azure.Close())
	}
	return errors.Join(errs...)
}
