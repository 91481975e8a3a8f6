package connection

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// concurrent is how many calls of an account are open at once where its connection
// does not say: 8 and 2 more that only revocations get. More made a Keystone on two
// processors slower: 720 writes took it 30 s with 8 at once and 39 s with 64.
const concurrent = 10

// Drivers opens the drivers of platforms with the connections of one directory. It
// keeps each open until its document or its connection changes. It is safe for use by
// many goroutines.
type Drivers struct {
	directory *Directory
	opens     map[string]driver.Open
	shared    budget.Shared
	getenv    func(string) string

	mu         sync.Mutex
	opened     map[string]opened // by platform
	rateLimits map[string]limited
}

type opened struct {
	driver driver.Driver
	digest string
	key    [sha256.Size]byte // of what it was opened with
}

type limited struct {
	*budget.Budget
	limits budget.Limits
}

// NewDrivers returns drivers that are opened by platform type. Rate limits are kept
// in shared, for all workers together.
func NewDrivers(directory *Directory, opens map[string]driver.Open, shared budget.Shared, getenv func(string) string) *Drivers {
	return &Drivers{
		directory: directory, opens: opens, shared: shared, getenv: getenv,
		opened: map[string]opened{}, rateLimits: map[string]limited{},
	}
}

// Driver returns the driver of a platform and the digest of its connection. A
// platform that may not use the connection is an error that wraps fault.ErrForbidden,
// one whose connection this worker does not hold wraps fault.ErrUnavailable.
func (d *Drivers) Driver(ctx context.Context, platform document.Platform) (driver.Driver, string, error) {
	found, err := d.connection(platform)
	if err != nil {
		return nil, "", err
	}
	of, c, set := found.of, found.Connection, found.set
	key := sha256.Sum256(fmt.Appendf(nil, "%s %s %s %s", platform.Type, c.Name, c.Digest, platform.Settings))
	d.mu.Lock()
	defer d.mu.Unlock()
	if o, ok := d.opened[platform.Identifier()]; ok && o.key == key {
		return o.driver, o.digest, nil
	}
	open, known := d.opens[platform.Type]
	if !known {
		return nil, "", fmt.Errorf("connection: %w: this worker has no driver for type %q", fault.ErrUnsupported, platform.Type)
	}
	with := set.Driver(c)
	d.addRateLimits(&with, set)
	inner, err := open(ctx, driver.Config{Platform: platform.Identifier(), Settings: platform.Settings, Connection: with, Getenv: d.getenv})
	if err != nil {
		return nil, "", openError(platform.Identifier(), c.Name, err)
	}
	o := opened{driver: Limit(inner, set.limits(c, of)), digest: c.Digest, key: key}
	d.opened[platform.Identifier()] = o
	return o.driver, o.digest, nil
}

// openError wraps fault.ErrDenied where a connection cannot be used as it is: its
// operator corrects that, not the authors of documents.
func openError(platform, connection string, err error) error {
	if class := fault.Class(err); errors.Is(class, fault.ErrInvalid) || errors.Is(class, fault.ErrUnsupported) {
		return fmt.Errorf("connection: open platform %s by %q: %w: %s", platform, connection, fault.ErrDenied, err.Error())
	}
	return fmt.Errorf("connection: open platform %s by %q: %w", platform, connection, err)
}

// Current returns the connections that this worker holds.
func (d *Drivers) Current() (*Set, error) { return d.directory.Current() }

// Available reports whether this worker holds the connection of a platform: nil if it
// does, else why not.
func (d *Drivers) Available(platform document.Platform) error {
	_, err := d.connection(platform)
	return err
}

// named is the connection that a platform names, with the set that it is in.
type named struct {
	Connection
	of  driver.Type
	set *Set
}

func (d *Drivers) connection(platform document.Platform) (named, error) {
	of, known := d.directory.types.Type(platform.Type)
	if !known {
		return named{}, fmt.Errorf("connection: %w: this worker knows no platforms of type %q", fault.ErrUnsupported, platform.Type)
	}
	set, err := d.directory.Current()
	if err != nil {
		return named{}, fmt.Errorf("%w: %w", fault.ErrUnavailable, err)
	}
	c, err := set.For(platform.Identifier(), platform.ConnectionName(), of)
	return named{c, of, set}, err
}

// addRateLimits gives a connection and its parts their rate limits.
func (d *Drivers) addRateLimits(c *driver.Connection, set *Set) {
	c.Budget = d.rateLimit(set.byName[c.Name])
	for part, used := range c.Uses {
		d.addRateLimits(&used, set)
		c.Uses[part] = used
	}
}

// rateLimit returns the account's one rate limit, with the limits that the connection
// has now.
func (d *Drivers) rateLimit(c Connection) *budget.Budget {
	limits := c.Limits
	if of, ok := d.directory.types.Type(c.Type); ok {
		limits.Vendor = of.Profile.CallsPerSecond
		limits.CallsPerSecond = cmp.Or(limits.CallsPerSecond, limits.Vendor)
	}
	limits.Concurrent = cmp.Or(limits.Concurrent, concurrent)
	known, ok := d.rateLimits[c.Name]
	if ok {
		known.SetLimits(limits)
	} else {
		known.Budget = budget.Share(d.shared, "connection/"+c.Name, limits)
	}
	d.rateLimits[c.Name] = limited{known.Budget, limits}
	return known.Budget
}

// WatchLimits lets calls that wait follow the limits of their connections within a second
// after their files change. It returns when ctx ends.
func (d *Drivers) WatchLimits(ctx context.Context) {
	ticker := time.NewTicker(pollInterval / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if set, err := d.directory.Current(); err == nil {
				d.updateRateLimits(set)
			}
		}
	}
}

// updateRateLimits gives the connections that are in use the limits of the set.
func (d *Drivers) updateRateLimits(set *Set) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name := range d.rateLimits {
		if c, ok := set.byName[name]; ok {
			d.rateLimit(c)
		}
	}
}

// Close gives back what this worker leases of the accounts' rate limits. It waits for no
// longer than ctx lives: what is left expires.
func (d *Drivers) Close(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range d.rateLimits {
		b.Close(ctx)
	}
}
