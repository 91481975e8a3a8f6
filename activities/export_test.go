package activities

import (
	"context"
	"time"

	"github.com/rollcall-iam/rollcall/internal/progress"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// WatchChecks calls before and after each check whether a unit is still desired.
func WatchChecks(p *Platform, before func(), after func(error)) {
	p.tenants = p.tenants.WithCheck(func(check reconcile.Check) reconcile.Check {
		return func(ctx context.Context) error {
			before()
			err := check(ctx)
			after(err)
			return err
		}
	})
}

// Blind lets a platform apply plans however old they are.
func Blind(p *Platform) {
	p.tenants = p.tenants.WithCheck(func(reconcile.Check) reconcile.Check {
		return func(context.Context) error { return nil }
	})
}

// Watch lets a platform heartbeat and stop activities after these times in place of the
// default ones.
func Watch(p *Platform, interval time.Duration, limits progress.Limits) {
	p.heartbeats = heartbeats{interval: interval, limits: limits}
}

// Hasty lets revocations not wait for what is on its way.
func Hasty(p *Platform) { p.inFlight = 0 }
