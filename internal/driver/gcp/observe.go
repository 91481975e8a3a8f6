package gcp

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// fewGroups is how many groups are read one by one at most, before a list of all
// is cheaper, for a customer of whom nobody knows how long that list is.
const fewGroups = 6

// Observe implements driver.Driver. See the package's comment for the calls.
func (d *Driver) Observe(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
	if len(scopes) == 0 {
		return nil, ctx.Err()
	}
	policies, err := d.readPolicies(ctx, scopes)
	if err != nil {
		return nil, err
	}
	in := newInventory(slices.ContainsFunc(scopes, func(s driver.Scope) bool { return s.Marks }))
	wanted := map[string]string{} // ids by address, empty where they are not known
	missing := make([]bool, len(scopes))
	for i, scope := range scopes {
		if missing[i] = policies[i] == nil; missing[i] {
			policies[i] = &policy{} // its groups are the domain's, and outlive it
		}
		d.want(wanted, scope, policies[i], in.marks)
	}
	if err := d.readGroups(ctx, in, wanted); err != nil {
		return nil, err
	}
	if err := d.readMembers(ctx, in, slices.Sorted(maps.Keys(in.byEmail))); err != nil {
		return nil, err
	}
	observations := make([]driver.Observation, len(scopes))
	for i, scope := range scopes {
		observations[i] = d.at(scope, policies[i], in)
		observations[i].Missing = missing[i]
	}
	return observations, nil
}

// readPolicies reads each project's policy; nil stands for a project that is not
// there.
func (d *Driver) readPolicies(ctx context.Context, scopes []driver.Scope) ([]*policy, error) {
	policies := make([]*policy, len(scopes))
	err := each(ctx, scopes, func(ctx context.Context, i int, scope driver.Scope) error {
		if !isProject(scope.ID) {
			return nil
		}
		found, err := d.api.readPolicy(ctx, scope.ID)
		if isNotFound(err) {
			return nil
		}
		policies[i] = found
		return err
	})
	return policies, err
}

// want collects the groups of a scope.
func (d *Driver) want(wanted map[string]string, scope driver.Scope, p *policy, marks bool) {
	for _, email := range d.wanted(scope, p, marks) {
		wanted[email] += "" // the id of another scope stays
	}
	for _, g := range scope.Groups {
		email := d.email(g.Name)
		if _, is := wanted[email]; is && isGroupRef(g.Ref) {
			wanted[email] = g.Ref
		}
	}
}

// readGroups finds the ids of groups that have none yet, and where they are asked
// for the marks of all.
func (d *Driver) readGroups(ctx context.Context, in *inventory, wanted map[string]string) error {
	var unread []string
	for email, ref := range wanted {
		if ref != "" && !in.marks {
			in.byEmail[email] = group{ref: ref, email: email}
			continue
		}
		unread = append(unread, email)
	}
	if len(unread) > max(fewGroups, int(d.api.pages.Load())) {
		return d.listGroups(ctx, in, wanted)
	}
	return d.findGroups(ctx, in, unread, wanted)
}

// findGroups reads groups one by one.
func (d *Driver) findGroups(ctx context.Context, in *inventory, emails []string, wanted map[string]string) error {
	slices.Sort(emails)
	found := make([]group, len(emails))
	err := each(ctx, emails, func(ctx context.Context, i int, email string) (err error) {
		found[i], err = d.groupOf(ctx, email, wanted[email])
		return err
	})
	for _, g := range found {
		if g.ref != "" {
			in.add(g)
		}
	}
	return err
}

// listGroups reads all groups of the customer and keeps those that are wanted.
func (d *Driver) listGroups(ctx context.Context, in *inventory, wanted map[string]string) error {
	all, err := d.api.allGroups(ctx)
	if err != nil {
		return err
	}
	for _, g := range all {
		if _, is := wanted[g.email]; is {
			in.add(g)
		}
	}
	var unlisted []string // a list may lag behind what the ledger has
	for email, ref := range wanted {
		if _, listed := in.byEmail[email]; ref != "" && !listed {
			unlisted = append(unlisted, email)
		}
	}
	return d.findGroups(ctx, in, unlisted, wanted)
}

// groupOf returns the group of that id or, where there is none or it is gone, of
// that address. No group is the zero group.
func (d *Driver) groupOf(ctx context.Context, email, ref string) (group, error) {
	if ref != "" {
		g, err := d.api.groupOf(ctx, ref)
		switch {
		case err == nil && g.email == email:
			return g, nil
		case err != nil && !isHidden(err) && !isNotFound(err):
			return group{}, err
		}
	}
	g, there, err := d.api.groupAt(ctx, email)
	if err != nil || !there {
		return group{}, err
	}
	if g.ref != ref {
		return g, nil
	}
	if g, err = d.api.groupOf(ctx, ref); isHidden(err) || isNotFound(err) {
		return group{}, contradiction(ref)
	}
	return g, err
}

// contradiction is a group that a search shows and that cannot be read: it was
// made or deleted a moment ago.
func contradiction(ref string) error {
	return fmt.Errorf("gcp: %s: %w: a search shows the group, and reading it is refused: it was just deleted, or it is %w",
		ref, fault.ErrUnavailable, errNotYet)
}

// readMembers reads the members of the groups. A group that is gone may have a
// successor of the same address.
func (d *Driver) readMembers(ctx context.Context, in *inventory, emails []string) error {
	found := make([]map[string]string, len(emails))
	refs := make([]group, len(emails))
	err := each(ctx, emails, func(ctx context.Context, i int, email string) (err error) {
		refs[i] = in.byEmail[email]
		found[i], err = d.api.memberships(ctx, refs[i].ref)
		if !isHidden(err) && !isNotFound(err) {
			return err
		}
		if refs[i], err = d.groupOf(ctx, email, refs[i].ref); err != nil || refs[i].ref == "" {
			return err
		}
		if found[i], err = d.api.memberships(ctx, refs[i].ref); isHidden(err) || isNotFound(err) {
			err = contradiction(refs[i].ref)
		}
		return err
	})
	if err != nil {
		return err
	}
	for i, email := range emails {
		g := refs[i]
		if g.ref == "" {
			delete(in.byEmail, email)
			continue
		}
		if g.ref != in.byEmail[email].ref {
			in.add(g)
		}
		in.members[g.ref] = slices.Sorted(maps.Keys(found[i]))
		d.names.put(g.ref, found[i])
	}
	return nil
}
