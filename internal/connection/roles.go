package connection

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// observedFor is how long the groups that were observed to have a denied role are
// taken to be all. A plan is applied within seconds of its observation.
const observedFor = time.Minute

// deniedRoles finds out which steps would give a user a denied role: by a binding, or
// by a group that has the role. It remembers which groups it saw, so that a plan which
// this worker made costs no call more. The names of a role it does not remember: the
// drivers do, and forget them when the platform refuses one.
type deniedRoles struct {
	limits Limits
	driver driver.Driver

	mu       sync.Mutex
	observed map[string]deniedGroups // by id of the tenant
}

// deniedGroups are the groups of a tenant that have a denied role.
type deniedGroups struct {
	groups map[string]error // by id and by name
	at     time.Time
}

// check returns why a step may not give what it would give, or nil.
func (d *deniedRoles) check(ctx context.Context, scope driver.Scope, step plan.Step) error {
	want := step.Want
	switch {
	case !d.limits.deniesRoles() || step.Op == plan.Delete:
		return nil
	case step.Kind == access.KindBinding && want.Binding != nil && !takesOnly(step):
		return d.role(ctx, scope, want.Binding.Role)
	case step.Kind == access.KindMembers && want.Members != nil && len(step.Adds()) > 0:
		return d.group(ctx, scope, *want.Members)
	default:
		return nil
	}
}

// takesOnly reports whether a change of a binding gives nothing to anybody.
func takesOnly(step plan.Step) bool {
	have, want := step.Have.Binding, step.Want.Binding
	return step.Op == plan.Change && have != nil && have.Role == want.Role && have.Condition == want.Condition && len(step.Adds()) == 0
}

// role returns why a role may not be given, by whatever name.
func (d *deniedRoles) role(ctx context.Context, scope driver.Scope, role string) error {
	var names []string
	if namer, ok := d.driver.(driver.RoleNamer); ok {
		var err error
		names, err = namer.RoleNames(ctx, scope, role)
		if errors.Is(err, fault.ErrInvalid) {
			return d.limits.role(role) // there is none yet; the driver says so with a better text
		}
		if err != nil {
			return err
		}
	}
	return d.limits.role(role, names...)
}

// group returns why nobody may be put into a group: it has a denied role.
func (d *deniedRoles) group(ctx context.Context, scope driver.Scope, members plan.Members) error {
	d.mu.Lock()
	seen, ok := d.observed[scope.ID]
	d.mu.Unlock()
	if !ok || time.Since(seen.at) >= observedFor {
		if _, err := d.observe(ctx, []driver.Scope{scope}); err != nil {
			return err
		}
		d.mu.Lock()
		seen, ok = d.observed[scope.ID]
		d.mu.Unlock()
		if !ok {
			return errUnresolved
		}
	}
	if denied := seen.groups["id "+members.GroupRef]; members.GroupRef != "" && denied != nil {
		return denied
	}
	return seen.groups["name "+members.Group]
}

// errUnresolved reports a tenant some of whose roles could not be compared with the
// denied ones.
var errUnresolved = errors.Join(fault.ErrUnavailable, errors.New("connection: the roles at the tenant could not be resolved"))

// observe observes tenants and remembers which of their groups have a denied role.
func (d *deniedRoles) observe(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
	observations, err := d.driver.Observe(ctx, scopes)
	if err != nil || !d.limits.deniesRoles() {
		return observations, err
	}
	for i, scope := range scopes {
		if i < len(observations) {
			d.remember(ctx, scope, observations[i].State)
		}
	}
	return observations, nil
}

// remember keeps which groups of a tenant have a denied role, if that can be found out.
func (d *deniedRoles) remember(ctx context.Context, scope driver.Scope, state access.State) {
	groups, err := d.deniedIn(ctx, scope, state)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.observed == nil {
		d.observed = map[string]deniedGroups{}
	}
	if err != nil {
		delete(d.observed, scope.ID)
		return
	}
	d.observed[scope.ID] = deniedGroups{groups, time.Now()}
}

// deniedIn returns the groups that have a denied role. An error is one of resolving a
// role.
func (d *deniedRoles) deniedIn(ctx context.Context, scope driver.Scope, state access.State) (map[string]error, error) {
	var groups map[string]error
	roles := map[string]error{}
	for _, b := range state.Bindings {
		if b.Group == "" && b.GroupRef == "" {
			continue
		}
		denied, known := roles[b.Role]
		if !known {
			denied = d.role(ctx, scope, b.Role)
			roles[b.Role] = denied
		}
		if denied == nil {
			continue
		}
		if !errors.Is(denied, fault.ErrForbidden) {
			return nil, denied
		}
		if groups == nil {
			groups = map[string]error{}
		}
		groups["id "+b.GroupRef], groups["name "+b.Group] = denied, denied
	}
	return groups, nil
}
