package connection

import (
	"context"
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
	// Scope returns a tenant's id as Scopes compare it; nil compares it as it is.
	Scope func(id string) string
	// Deny and SecondPerson are names or ids of roles, in any case.
	Deny, SecondPerson []string
}

// limits joins the limits of a connection and of its parts.
func (s *Set) limits(c Connection, of driver.Type) Limits {
	l := Limits{Name: c.Name, Scope: of.Scope, Deny: c.Roles.Deny, SecondPerson: c.Roles.SecondPerson}
	if !of.Profile.NoBindings { // their tenants are no places at the platform
		l.Scopes = append(l.Scopes, c.Scopes.Allow)
	}
	for part := range of.Uses {
		used := s.byName[c.Uses[part]]
		l.Deny = slices.Concat(l.Deny, used.Roles.Deny)
		l.SecondPerson = slices.Concat(l.SecondPerson, used.Roles.SecondPerson)
		if part == of.ScopesOf {
			l.Scopes = append(l.Scopes, used.Scopes.Allow)
		}
	}
	return l
}

// scope returns an error that wraps fault.ErrForbidden for a tenant that the connection
// may not touch.
func (l Limits) scope(id string) error {
	canonical := func(id string) string { return id }
	if l.Scope != nil {
		canonical = l.Scope
	}
	for _, allow := range l.Scopes {
		if len(allow) > 0 && !slices.ContainsFunc(allow, func(pattern string) bool { return within(canonical(pattern), canonical(id)) }) {
			return fmt.Errorf("%w: connection %q may not touch the tenant %q: its operator lists tenants in scopes.allow",
				fault.ErrForbidden, l.Name, id)
		}
	}
	return nil
}

// within reports whether a pattern allows a tenant. Paths ignore case and allow what
// is below them.
func within(pattern, id string) bool {
	if strings.HasPrefix(pattern, "/") {
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

// deniesRoles reports whether any role may not be given.
func (l Limits) deniesRoles() bool { return len(l.Deny)+len(l.SecondPerson) > 0 }

// Limit returns a driver that asks inner for nothing that the limits forbid: it reads
// and changes only tenants in their scopes, gives none of the denied roles, by name or
// by resolved id, and adds no member to a group that has one. Taking a denied role, and
// members of such a group, away is allowed. Memberships of one account are listed whole: a
// revocation removes the account only from what it may touch.
func Limit(inner driver.Driver, limits Limits) driver.Driver {
	if limits.unlimited() {
		return inner
	}
	d := guarded{Driver: inner, limits: limits, roles: &deniedRoles{limits: limits, driver: inner}}
	sharer, shares := inner.(driver.Sharer)
	lister, lists := inner.(driver.MembershipLister)
	switch {
	case shares && lists:
		return struct {
			guardedSharer
			driver.MembershipLister
		}{guardedSharer{guarded: d, Sharer: sharer}, lister}
	case shares:
		return guardedSharer{guarded: d, Sharer: sharer}
	case lists:
		return struct {
			guarded
			driver.MembershipLister
		}{d, lister}
	default:
		return d
	}
}

// guarded is a driver within limits.
type guarded struct {
	driver.Driver
	limits Limits
	roles  *deniedRoles
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
	within := make([]string, len(scopeIDs))
	var allowed []string
	var at []int
	for i, id := range scopeIDs {
		if g.limits.scope(id) == nil {
			allowed, at = append(allowed, id), append(at, i)
		}
	}
	found, err := g.Sharer.Within(ctx, allowed)
	if err != nil {
		return nil, err
	}
	for i, answer := range found {
		within[at[i]] = answer
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
	return g.roles.observe(ctx, scopes)
}

// Apply implements driver.Driver. A step that is refused does not stop the others, and
// takes away what it would have taken.
func (g guarded) Apply(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
	if err := g.limits.scope(scope.ID); err != nil {
		return driver.Refuse(steps, err)
	}
	results := make([]driver.Result, len(steps))
	refused := make([]error, len(steps))
	var allowed []plan.Step
	var at []int
	for i, step := range steps {
		if refused[i] = g.roles.check(ctx, scope, step); refused[i] != nil {
			var takes bool
			if step, takes = takingOnly(step); !takes {
				continue
			}
		}
		allowed, at = append(allowed, step), append(at, i)
	}
	if len(allowed) > 0 {
		for i, result := range g.Driver.Apply(ctx, scope, allowed) {
			results[at[i]] = result
		}
	}
	for i, err := range refused {
		if err != nil {
			results[i].Err = err
		}
	}
	return results
}

// takingOnly returns a step that takes from users what the step takes, and gives
// nothing; false where there is nothing to take.
func takingOnly(step plan.Step) (plan.Step, bool) {
	have, want := step.Have, step.Want
	if step.Op != plan.Change || len(step.Removes()) == 0 {
		return step, false
	}
	adds := step.Adds()
	stays := func(accounts []access.Member) []access.Member {
		return slices.DeleteFunc(slices.Clone(accounts), func(m access.Member) bool { return slices.Contains(adds, m) })
	}
	switch {
	case want.Members != nil:
		members := *want.Members
		members.Accounts = stays(members.Accounts)
		step.Want.Members = &members
	case want.Binding != nil && have.Binding != nil:
		binding := *have.Binding
		binding.Subjects = stays(want.Binding.Subjects)
		if step.Want.Binding = &binding; len(binding.Subjects) == 0 {
			step.Op, step.Want = plan.Delete, plan.Object{}
		}
	default:
		return step, false
	}
	return step, true
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
