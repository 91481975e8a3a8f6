package activities

import "context"

// WatchChecks calls before and after each look whether a unit is still desired.
func WatchChecks(p *Platform, before func(), after func(error)) {
	checks := p.checks
	p.checks = func(a *application) func(context.Context) error {
		check := checks(a)
		return func(ctx context.Context) error {
			before()
			err := check(ctx)
			after(err)
			return err
		}
	}
}

// Blind lets a platform apply plans however old they are.
func Blind(p *Platform) {
	p.checks = func(*application) func(context.Context) error {
		return func(context.Context) error { return nil }
	}
}

// Hasty lets revocations not wait for what is on its way.
func Hasty(p *Platform) { p.inFlight = 0 }
