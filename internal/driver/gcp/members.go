package gcp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// changeMembers makes one call for each member, one after the other: Cloud
// Identity aborts one of two writes to the members of a group.
func (d *Driver) changeMembers(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	name, ref := step.Key().Group, groupRefOf(step)
	add, remove := step.Adds(), step.Removes()
	id, err := d.withGroup(ctx, scope, ref, name, func(id string) error {
		release, err := d.budget.Hold(ctx, "group/"+strings.TrimPrefix(id, "groups/"), 1)
		if err != nil {
			return failure(ctx, "waiting for "+id, err)
		}
		defer release()
		if err := d.addMembers(ctx, id, name, add); err != nil {
			return err
		}
		return d.removeMembers(ctx, id, name, remove)
	})
	if isNotFound(err) && len(add) == 0 {
		return ref, nil // nobody is in a group that is gone
	}
	return id, err
}

// withGroup calls do with the group's id: the one that the step knows, else the
// one this driver made, else that of our group of the name. It returns the id.
func (d *Driver) withGroup(ctx context.Context, scope driver.Scope, known, name string, do func(id string) error) (string, error) {
	if isGroupRef(known) {
		return known, do(known)
	}
	if id := d.made.Get(scope.Mark, name); id != "" {
		err := do(id)
		if !isNotFound(err) {
			return id, err
		}
		// The member is unknown, or somebody has removed the group since.
		if g, failed := d.ourGroup(ctx, scope, name); failed != nil || g.ref == id {
			return id, err
		}
		d.made.Forget(scope.Mark, name)
	}
	g, err := d.ourGroup(ctx, scope, name)
	if err != nil {
		return "", err
	}
	return g.ref, do(g.ref)
}

func (d *Driver) addMembers(ctx context.Context, id, group string, add []access.Member) error {
	for _, m := range add {
		if m.Ref == "" {
			return fmt.Errorf("gcp: %s: %w: a member without an address", id, fault.ErrInvalid)
		}
		name, err := d.api.addMember(ctx, id, m.Ref)
		switch {
		case errors.Is(err, errExists):
		case isHidden(err):
			return d.explained(ctx, id, group, err)
		case err != nil:
			return err
		}
		d.names.set(id, m.Ref, name)
	}
	return nil
}

// explained says what a refusal means that is the same for what is forbidden and
// for what is not there. A group that this driver has just made may not be shown yet.
func (d *Driver) explained(ctx context.Context, id, name string, refusal error) error {
	deleted := false
	err := shown(ctx, id, func() (bool, error) {
		there, err := d.groupOf(ctx, d.email(name), id)
		deleted = err == nil && there.ref != id
		return !deleted || d.made.By(id) == "", err
	})
	switch {
	case deleted && (err == nil || errors.Is(err, errNotYet)):
		return fmt.Errorf("gcp: %s: %w: it was deleted", id, fault.ErrNotFound)
	case err != nil:
		return err
	default:
		return refusal
	}
}

// removeMembers removes memberships by their names, which the last read has left
// here; else one list has them.
func (d *Driver) removeMembers(ctx context.Context, id, group string, remove []access.Member) error {
	names, err := d.namesOf(ctx, id, remove)
	if isHidden(err) {
		err = d.explained(ctx, id, group, err)
	}
	if err != nil {
		return err
	}
	for _, m := range remove {
		if names[m.Ref] == "" {
			continue // not a member
		}
		err := d.api.removeMember(ctx, names[m.Ref])
		if isHidden(err) || isNotFound(err) {
			err = d.left(ctx, id, group, m.Ref, names[m.Ref], err)
		}
		if err != nil {
			return err
		}
		d.names.set(id, m.Ref, "")
	}
	return nil
}

// namesOf returns the names of these members' memberships: those that are
// remembered, or where one is not, those that a list has.
func (d *Driver) namesOf(ctx context.Context, id string, people []access.Member) (map[string]string, error) {
	names := map[string]string{}
	for _, m := range people {
		if names[m.Ref] = d.names.get(id, m.Ref); names[m.Ref] != "" {
			continue
		}
		listed, err := d.api.memberships(ctx, id)
		if err == nil {
			d.names.put(id, listed)
		}
		return listed, err
	}
	return names, nil
}

// left makes sure that somebody whose membership is not there to be removed is no
// member: they may have left, or have left and come back.
func (d *Driver) left(ctx context.Context, id, group, member, name string, refusal error) error {
	err := shown(ctx, "who has left "+id, func() (bool, error) {
		names, err := d.api.memberships(ctx, id)
		switch {
		case isHidden(err):
			return false, d.explained(ctx, id, group, err)
		case err != nil:
			return false, err
		case names[member] == "":
			return true, nil
		case names[member] == name:
			return false, nil
		default:
			return true, d.api.removeMember(ctx, names[member])
		}
	})
	if errors.Is(err, errNotYet) && isDenied(refusal) {
		return refusal // they are still there: it is forbidden
	}
	return err
}

// groupRefOf is the id of the group whose members the step changes, if known.
func groupRefOf(step plan.Step) string {
	for _, o := range []plan.Object{step.Want, step.Have} {
		if o.Members != nil && o.Members.GroupRef != "" {
			return o.Members.GroupRef
		}
	}
	return ""
}

// membershipNames remembers the names of memberships, so that a removal is one
// call.
type membershipNames struct {
	mu    sync.Mutex
	names map[string]map[string]string // by group and member
	count int
}

// maxNames is how many names are remembered: some 30 MB of them.
const maxNames = 200_000

// put remembers all memberships of a group.
func (m *membershipNames) put(group string, names map[string]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count += len(names) - len(m.names[group])
	if m.names == nil || m.count > maxNames {
		m.names, m.count = map[string]map[string]string{}, len(names)
	}
	m.names[group] = maps.Clone(names)
}

// set remembers one membership; an empty name forgets it.
func (m *membershipNames) set(group, member, name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	of := m.names[group]
	_, known := of[member]
	switch {
	case name == "" && known:
		delete(of, member)
		m.count--
	case name != "" && of != nil:
		if !known {
			m.count++
		}
		of[member] = name
	}
}

func (m *membershipNames) get(group, member string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.names[group][member]
}
