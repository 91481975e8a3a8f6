package gcp

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// createGroup tries first and looks second: an address is unique, so Google
// itself finds what a crash may have left, and nothing is a twin.
func (d *Driver) createGroup(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	name := step.Want.Group.Name
	ref, err := d.api.createGroup(ctx, name, d.email(name), scope.Mark.Text())
	switch {
	case err == nil && ref != "":
	case err == nil, errors.Is(err, errExists):
		// It is being made, or it is there and may not be shown yet.
		if ref, err = d.appearing(ctx, scope, name); errors.Is(err, errNotYet) {
			err = d.takenByUser(ctx, name, err)
		}
	case isDenied(err):
		// Google may answer so for a group that is there.
		refused := err
		var g group
		if g, err = d.ourGroup(ctx, scope, name); isNotFound(err) {
			err = refused
		}
		ref = g.ref
	}
	if err != nil {
		return "", err
	}
	d.made.Put(scope.Mark, name, ref)
	return ref, nil
}

// appearing waits for our group of that name to be shown.
func (d *Driver) appearing(ctx context.Context, scope driver.Scope, name string) (ref string, err error) {
	err = shown(ctx, fmt.Sprintf("group %q", name), func() (bool, error) {
		found, err := d.api.refOf(ctx, d.email(name))
		var g group
		if err == nil {
			g, err = d.api.groupOf(ctx, found)
		}
		if isHidden(err) || isNotFound(err) {
			return false, nil
		}
		if err == nil {
			ref, err = g.ref, agrees(g, scope, name)
		}
		return true, err
	})
	return ref, err
}

// takenByUser returns an error that nobody tries again where a user has the
// address, or an alias that is the same; else the error as it came.
func (d *Driver) takenByUser(ctx context.Context, name string, otherwise error) error {
	users, err := d.api.users(ctx, "email="+quoted(d.email(name)))
	if err != nil || len(users) == 0 {
		return otherwise
	}
	return fmt.Errorf("gcp: group %q: %w: a user has this address: change the name pattern, or the user's address", name, fault.ErrInvalid)
}

// agrees refuses a group whose description does not say that it is ours.
func agrees(g group, scope driver.Scope, name string) error {
	if !access.ParseMark(g.description).Agrees(scope.Mark) {
		return fmt.Errorf("gcp: group %q: %w: the mark in its description is not ours", name, fault.ErrConflict)
	}
	return nil
}

// ourGroup returns our group of that name. It fails with fault.ErrConflict where
// the group's mark says that it is not ours, and with fault.ErrNotFound where
// there is none.
func (d *Driver) ourGroup(ctx context.Context, scope driver.Scope, name string) (group, error) {
	g, there, err := d.api.groupAt(ctx, d.email(name))
	if err == nil && !there {
		g, there, err = d.fresh(ctx, name)
	}
	switch {
	case err != nil:
		return group{}, err
	case !there:
		return group{}, fmt.Errorf("gcp: group %q: %w", name, fault.ErrNotFound)
	default:
		return g, agrees(g, scope, name)
	}
}

// fresh looks for a group that the search, which could be asked, does not show
// yet. That it is hidden means therefore that it is not there.
func (d *Driver) fresh(ctx context.Context, name string) (group, bool, error) {
	ref, err := d.api.refOf(ctx, d.email(name))
	var g group
	if err == nil {
		g, err = d.api.groupOf(ctx, ref)
	}
	if isHidden(err) || isNotFound(err) {
		return group{}, false, nil
	}
	return g, err == nil, err
}

// maxDescription is how many characters a group's description may have (Group in
// the discovery document).
const maxDescription = 4096

// adoptGroup puts our mark into the description of a group. Its address, which is
// its name, is its key and cannot change (groups.patch in the discovery document
// takes display_name, description and labels only). Nothing tells Google what to
// expect, so what somebody writes between the read and the write is lost.
func (d *Driver) adoptGroup(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	have, want := step.Have.Group, step.Want.Group
	switch {
	case have.Name != want.Name:
		return "", fmt.Errorf("gcp: group %q: %w: its address cannot change: another group is made", have.Name, fault.ErrUnsupported)
	case !isGroupRef(have.Ref):
		return "", fmt.Errorf("gcp: group %q: %w: %q is not the id of a group", have.Name, fault.ErrInvalid, have.Ref)
	}
	g, err := d.groupOf(ctx, d.email(have.Name), have.Ref)
	switch {
	case err != nil:
		return "", err
	case g.ref != have.Ref:
		return "", fmt.Errorf("gcp: group %q: %w: it was deleted", have.Name, fault.ErrNotFound)
	case access.ParseMark(g.description).Contradicts(scope.Mark):
		return "", fmt.Errorf("gcp: group %q: %w: the mark in its description is not ours", have.Name, fault.ErrConflict)
	}
	text := scope.Mark.AddTo(g.description)
	switch {
	case utf8.RuneCountInString(text) > maxDescription:
		return "", fmt.Errorf("gcp: group %q: %w: its description leaves no room for our mark: shorten it", have.Name, fault.ErrInvalid)
	case text == g.description:
	default:
		err = d.describe(ctx, g, have.Name, text)
	}
	if err != nil {
		return "", err
	}
	d.made.Put(scope.Mark, have.Name, have.Ref)
	return have.Ref, nil
}

// describe writes a group's description, and waits for it where Google does not do
// so at once.
func (d *Driver) describe(ctx context.Context, g group, name, text string) error {
	done, err := d.api.describe(ctx, g.ref, text)
	switch {
	case isHidden(err), isNotFound(err):
		return d.explained(ctx, g.ref, name, err)
	case err != nil, done:
		return err
	}
	return shown(ctx, "the mark of "+g.ref, func() (bool, error) {
		now, err := d.api.groupOf(ctx, g.ref)
		return now.description == text, err
	})
}

func (d *Driver) deleteGroup(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	have := *step.Have.Group
	g, err := d.toDelete(ctx, scope, have)
	if err == nil && g.ref != "" {
		err = d.api.deleteGroup(ctx, g.ref)
		if isHidden(err) || isNotFound(err) {
			err = d.goneFor(ctx, g, err)
		}
	}
	if err != nil {
		return "", err
	}
	d.made.Forget(scope.Mark, have.Name)
	return have.Ref, nil
}

// toDelete looks at the mark of a group just before it goes. The zero group is
// gone already.
func (d *Driver) toDelete(ctx context.Context, scope driver.Scope, have access.Group) (group, error) {
	if !isGroupRef(have.Ref) {
		g, err := d.ourGroup(ctx, scope, have.Name)
		if isNotFound(err) {
			return group{}, nil
		}
		return g, err
	}
	g, err := d.groupOf(ctx, d.email(have.Name), have.Ref)
	if err != nil || g.ref != have.Ref {
		return group{}, err // another one of the name is not the one to delete
	}
	return g, agrees(g, scope, have.Name)
}

// goneFor waits until a group that refuses to be deleted, as one that is gone
// does, is not shown any more. One that stays is really refused.
func (d *Driver) goneFor(ctx context.Context, g group, refusal error) error {
	err := shown(ctx, "the end of "+g.ref, func() (bool, error) {
		there, err := d.groupOf(ctx, g.email, g.ref)
		if errors.Is(err, errNotYet) {
			return false, nil
		}
		return err == nil && there.ref != g.ref, err
	})
	if errors.Is(err, errNotYet) {
		return refusal
	}
	return err
}
