package azure

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-iam/rollcall/internal/simulate"
)

// limits are the documented limits of the services, one bucket each for an app in
// a tenant or at a subscription.
type limits struct {
	on bool
	mu *sync.Mutex
	in map[string]*simulate.Throttle
}

func newLimits(on bool) limits {
	return limits{on: on, mu: &sync.Mutex{}, in: map[string]*simulate.Throttle{}}
}

// take takes n from a bucket, which it makes if need be.
func (l limits) take(now time.Time, key string, perSecond, burst, n float64) (time.Duration, bool) {
	if !l.on {
		return 0, true
	}
	l.mu.Lock()
	bucket := l.in[key]
	if bucket == nil {
		bucket = &simulate.Throttle{PerSecond: perSecond, Burst: burst}
		l.in[key] = bucket
	}
	l.mu.Unlock()
	return bucket.Take(now, n)
}

// wholeSeconds is a wait as Retry-After says it.
func wholeSeconds(wait time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(wait.Seconds()))))
}

// price is what a call costs in resource units.
// Source: "Microsoft Graph service-specific throttling limits", identity and access.
func (c *call) price(t route) int {
	cost := t.cost
	if c.query.Has("$select") {
		cost--
	}
	if c.query.Has("$expand") {
		cost++
	}
	if n, err := strconv.Atoi(c.query.Get("$top")); err == nil && n < 20 {
		cost--
	}
	return max(1, cost)
}

// meter takes a call's price from the buckets of the app in its tenant: 3,500,
// 5,000 or 8,000 units in 10 seconds by the tenant's size, and 3,000 writes in 150.
func (c *call) meter(t route) error {
	price := c.price(t)
	c.header.Set("X-Ms-Resource-Unit", strconv.Itoa(price))
	if !c.server.limits.on {
		return nil
	}
	units := 3500.0
	switch people := len(c.dir.Names); {
	case people > 500:
		units = 8000
	case people >= 50:
		units = 5000
	}
	key := c.app.ClientID + "/" + c.dir.ID
	wait, ok := c.server.limits.take(c.now, "units/"+key, units/10, units, float64(price))
	scope, reason := "ReadWrite", "ResourceUnitLimitExceeded"
	if ok && t.method != http.MethodGet {
		wait, ok = c.server.limits.take(c.now, "writes/"+key, 20, 3000, 1)
		scope, reason = "Write", "WriteLimitExceeded"
	}
	if ok {
		return nil
	}
	c.header.Set("Retry-After", wholeSeconds(wait))
	c.header.Set("X-Ms-Throttle-Scope", strings.Join([]string{"Tenant_Application", scope, c.app.ClientID, c.dir.ID}, "/"))
	c.header.Set("X-Ms-Throttle-Information", reason)
	return &graphError{status: http.StatusTooManyRequests, code: "TooManyRequests", message: "Too many requests."}
}
