package connection

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Limits is what a connection, with all that it is composed of, forbids.
type Limits struct {
	// Name is the connection's, for error texts.
	Name string
	// Scopes are lists that each have to allow a tenant; an empty list allows all.
	Scopes [][]string
	// Deny and SecondPerson are names or ids of roles, in any case.
	Deny, SecondPerson []string
}

// limits joins the limits of a connection and of its parts. Of a part's scopes only
// those of the part "cluster" are about tenants of the composed platform.
func (s *Set) limits(c Connection, of driver.Type) Limits {
	l := Limits{Name: c.Name, Deny: c.Roles.Deny, SecondPerson: c.Roles.SecondPerson}
	if !of.Profile.NoBindings { // their tenants are no places at the platform
		l.Scopes = append(l.Scopes, c.Scopes.Allow)
	}
	for part := range of.Uses {
		used := s.byName[c.Uses[part]]
		l.Deny = slices.Concat(l.Deny, used.Roles.Deny)
		l.SecondPerson = slices.Concat(l.SecondPerson, used.Roles.SecondPerson)
		if part == "cluster" {
			l.Scopes = append(l.Scopes, used.Scopes.Allow)
		}
	}
	return l
}

// scope returns an error that wraps fault.ErrForbidden for a tenant that the connection
// may not touch.
func (l Limits) scope(id string) error {
	for _, allow := range l.Scopes {
		if len(allow) > 0 && !slices.ContainsFunc(allow, func(pattern string) bool { return within(pattern, id) }) {
			return fmt.Errorf("%w: connection %q may not touch the tenant %q: its operator lists tenants in scopes.allow",
				fault.ErrForbidden, l.Name, id)
		}
	}
	return nil
}

// within reports whether a pattern allows a tenant. Paths, which are ids of Azure,
// ignore case and allow what is below them. A tenant that is a subscription may be
// written as its id alone.
func within(pattern, id string) bool {
	if strings.HasPrefix(pattern, "/") {
		if !strings.Contains(id, "/") {
			id = "/subscriptions/" + id
		}
		return below(strings.Split(strings.ToLower(strings.TrimSuffix(pattern, "/")), "/"), strings.Split(strings.ToLower(id), "/"))
	}
	matched, err := path.Match(pattern, id)
	return err == nil && matched || pattern == id
}

// below reports whether a path begins with the segments of a pattern.
func below(pattern, segments []string) bool {
	if len(segments) < len(pattern) || slices.Contains(segments, "..") {
		return false
	}
	for i, want := range pattern {
		if matched, err := path.Match(want, segments[i]); segments[i] != want && (err != nil || !matched) {
			return false
		}
	}
	return true
}

// role returns an error that wraps fault.ErrForbidden for a role that the connection may
// not give, by any of its names.
func (l Limits) role(role string, names ...string) error {
	names = append(names, role)
	has := func(list []string) bool {
		return slices.ContainsFunc(list, func(denied string) bool {
			return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, denied) })
		})
	}
	switch {
	case has(l.Deny):
		return fmt.Errorf("%w: connection %q may not give the role %q: its operator lists the role in roles.deny",
			fault.ErrForbidden, l.Name, role)
	case has(l.SecondPerson):
		return fmt.Errorf("%w: connection %q gives the role %q with the consent of a second person only, "+
			"and callers have no identities yet: its operator lists the role in roles.secondPerson", fault.ErrForbidden, l.Name, role)
	}
	return nil
}

// unlimited reports whether nothing is forbidden.
func (l Limits) unlimited() bool {
	return len(l.Deny)+len(l.SecondPerson) == 0 && !slices.ContainsFunc(l.Scopes, func(allow []string) bool { return len(allow) > 0 })
}

// Limit returns a driver that asks inner for nothing that the limits forbid: it reads
// and changes only tenants in their scopes, and gives none of the roles that are
// denied, by name or by resolved id. Taking a denied role away is allowed.
func Limit(inner driver.Driver, limits Limits) driver.Driver {
	if limits.unlimited() {
		return inner
	}
	d := guarded{Driver: inner, limits: limits}
	if sharer, ok := inner.(driver.Sharer); ok {
		return guardedSharer{guarded: d, Sharer: sharer}
	}
	return d
}

// guarded is a driver within limits.
type guarded struct {
	driver.Driver
	limits Limits
}

// guardedSharer is one that shares roles.
type guardedSharer struct {
	guarded
	driver.Sharer
}

var _ driver.Checker = guarded{}

// Within implements driver.Sharer. Tenants that the connection may not touch are not
// asked about, and count for nothing.
func (g guardedSharer) Within(ctx context.Context, scopeIDs []string) ([]string, error) {
	var allowed []string
	for _, id := range scopeIDs {
		if g.limits.scope(id) == nil {
			allowed = append(allowed, id)
		}
	}
	found, err := g.Sharer.Within(ctx, allowed)
	if err != nil {
		return nil, err
	}
	within := make([]string, len(scopeIDs))
	for i, id := range scopeIDs {
		if g.limits.scope(id) == nil {
			within[i], found = found[0], found[1:]
		}
	}
	return within, nil
}

// Observe implements driver.Driver.
func (g guarded) Observe(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
	for _, s := range scopes {
		if err := g.limits.scope(s.ID); err != nil {
			return nil, err
		}
	}
	return g.Driver.Observe(ctx, scopes)
}

// Apply implements driver.Driver. A step that is refused does not stop the others.
func (g guarded) Apply(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
	if err := g.limits.scope(scope.ID); err != nil {
		return driver.Refuse(steps, err)
	}
	results := make([]driver.Result, len(steps))
	var allowed []plan.Step
	var at []int
	for i, step := range steps {
		if err := g.check(ctx, scope, step); err != nil {
			results[i].Err = err
			continue
		}
		allowed, at = append(allowed, step), append(at, i)
	}
	if len(allowed) > 0 {
		for i, result := range g.Driver.Apply(ctx, scope, allowed) {
			results[at[i]] = result
		}
	}
	return results
}

// check returns why a step may not give what it would give, or nil.
func (g guarded) check(ctx context.Context, scope driver.Scope, step plan.Step) error {
	anyRole := len(g.limits.Deny)+len(g.limits.SecondPerson) == 0
	if anyRole || step.Kind != access.KindBinding || step.Want.Binding == nil || takesOnly(step) {
		return nil
	}
	role := step.Want.Binding.Role
	var names []string
	if namer, ok := g.Driver.(driver.RoleNamer); ok {
		var err error
		// A role that does not exist is refused by the driver, with a better text.
		if names, err = namer.RoleNames(ctx, scope, role); err != nil && !errors.Is(err, fault.ErrInvalid) {
			return err
		}
	}
	return g.limits.role(role, names...)
}

// takesOnly reports whether a step about a binding gives nothing to anybody: it
// deletes the binding, or takes subjects out of it.
func takesOnly(step plan.Step) bool {
	have, want := step.Have.Binding, step.Want.Binding
	return step.Op == plan.Delete ||
		step.Op == plan.Change && have != nil && have.Role == want.Role && have.Condition == want.Condition && len(step.Adds()) == 0
}

// Check implements driver.Checker.
func (g guarded) Check(ctx context.Context) error { return Check(ctx, g.Driver) }

// Check asks a platform whether it accepts the account: by the driver's own way, or
// by looking an account up that does not exist.
func Check(ctx context.Context, d driver.Driver) error {
	if checker, ok := d.(driver.Checker); ok {
		return checker.Check(ctx)
	}
	_, err := d.Resolve(ctx, []string{"rollcall-connection-check"})
	return err
}
