package azure

import (
	"context"
	"fmt"
	"unicode/utf16"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// maxDescription is how many characters a group's description may have
// (https://learn.microsoft.com/graph/api/resources/group).
const maxDescription = 1024

// changeGroup gives a group another name, our mark, or both, in one call
// (https://learn.microsoft.com/graph/api/group-update). Its id stays, and so does
// what names it: members, role assignments, subjects of a cluster's bindings. Its
// uniqueName stays, too, see keyOf.
//
// Nothing tells Graph what to expect, so what somebody writes between the read and
// the write is lost.
func (d *Directory) changeGroup(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	have, want := step.Have.Group, step.Want.Group
	there, err := d.byID(ctx, have.Ref)
	if err != nil {
		return "", err
	}
	wanted, err := changed(there, scope.Mark, *have, *want)
	if err != nil {
		return "", err
	}
	if wanted.Name != there.Name {
		if err := d.nameIsFree(ctx, scope, want.Name, there.ID); err != nil {
			return "", err
		}
	}
	if wanted.Name != there.Name || wanted.Description != there.Description {
		if err := d.updateGroup(ctx, there, wanted); err != nil {
			return "", err
		}
	}
	d.made.Forget(scope.Mark, have.Name)
	d.made.Put(scope.Mark, want.Name, have.Ref)
	return have.Ref, nil
}

// changed is the group as it is to be. It may be named as before, or as wanted
// where the step was done already; any other name is somebody else's decision.
func changed(there group, mark access.Mark, have, want access.Group) (group, error) {
	switch {
	case access.ParseMark(there.Description).Contradicts(mark):
		return group{}, notOurs(there.Name)
	case there.Name != have.Name && there.Name != want.Name:
		return group{}, fmt.Errorf("azure: group %q: %w: somebody gave it the name %q", have.Name, fault.ErrConflict, there.Name)
	}
	there.Name, there.Description = want.Name, mark.AddTo(there.Description)
	if len(utf16.Encode([]rune(there.Description))) > maxDescription {
		return group{}, fmt.Errorf("azure: group %q: %w: its description leaves no room for our mark: shorten it",
			have.Name, fault.ErrInvalid)
	}
	return there, nil
}

// nameIsFree refuses a name that another group of this installation has. Graph
// allows twins, and a creation does not mind those of others; but two of ours could
// not be told apart.
func (d *Directory) nameIsFree(ctx context.Context, scope driver.Scope, name, id string) error {
	read := newGroups()
	if err := d.find(ctx, read, nil, []string{name}); err != nil {
		return err
	}
	for _, other := range read.byName[name] {
		by := access.ParseMark(read.byID[other].Description).Installation
		if other != id && by != "" && by == scope.Mark.Installation {
			return fmt.Errorf("azure: group %q: %w: another group of ours has this name", name, fault.ErrConflict)
		}
	}
	return nil
}

// updateGroup writes what is to be different.
func (d *Directory) updateGroup(ctx context.Context, there, wanted group) error {
	body := groupBody{Type: groupType}
	if wanted.Name != there.Name {
		body.DisplayName = &wanted.Name
	}
	if wanted.Description != there.Description {
		body.Description = &wanted.Description
	}
	_, err := d.graph.do(ctx, newRequest("PATCH /groups/"+there.ID, groupPath(there.ID), body))
	return err
}
