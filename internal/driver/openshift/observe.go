package openshift

import (
	"context"
	"errors"
	"slices"

	userv1 "github.com/openshift/api/user/v1"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes"
	"github.com/rollcall-iam/rollcall/internal/driver/openshift/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// Observe implements driver.Driver: one list of groups and one of bindings for any
// number of scopes. See the package's comment for what may come on top.
func (d *Driver) Observe(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
	namespaces, err := d.api.cluster.Look(ctx, scopes)
	if err != nil || len(scopes) == 0 {
		return nil, err
	}
	groups, err := d.groups(ctx, scopes)
	if err != nil {
		return nil, err
	}
	observations := make([]driver.Observation, len(scopes))
	for i, scope := range scopes {
		observations[i].Missing = namespaces[i].Missing
		observations[i].State.Groups = groups.of(scope)
		if !namespaces[i].Missing {
			observations[i].State.Bindings = kubernetes.GroupBindings(scope, namespaces[i].Bindings)
		}
		observations[i].State.Sort()
	}
	return observations, nil
}

// inventory is the groups that were read, by name, and those of each tenant.
type inventory struct {
	byName map[string]userv1.Group
	byMark map[access.Mark][]string
}

// newInventory remembers those of the groups that are of any Rollcall.
func (a *api) newInventory(all []userv1.Group) *inventory {
	in := &inventory{byName: make(map[string]userv1.Group, len(all)), byMark: map[access.Mark][]string{}}
	for _, g := range all {
		in.byName[g.Name] = g
		if mark := kubernetes.MarkOf(&g); mark != (access.Mark{}) {
			in.byMark[mark] = append(in.byMark[mark], g.Name)
		}
	}
	return in
}

// of returns the groups that belong to the scope's answer: those it names, and
// those with its mark.
func (in *inventory) of(scope driver.Scope) []access.Group {
	var groups []access.Group
	for _, name := range unique(slices.Concat(names(scope), in.byMark[scope.Mark])) {
		if g, exists := in.byName[name]; exists {
			groups = append(groups, toGroup(g))
		}
	}
	return groups
}

func names(scope driver.Scope) []string {
	var all []string
	for _, g := range scope.Groups {
		all = append(all, g.Name)
	}
	return all
}

// groups reads the groups of the scopes, and remembers those of ours.
func (d *Driver) groups(ctx context.Context, scopes []driver.Scope) (*inventory, error) {
	labels := ""
	if len(scopes) == 1 && scopes[0].Mark.Installation != "" {
		labels = selector(scopes[0].Mark)
	}
	all, err := d.api.list(ctx, labels)
	if err != nil {
		return nil, err
	}
	if labels != "" {
		if all, err = d.api.complete(ctx, all, names(scopes[0])); err != nil {
			return nil, err
		}
	}
	in := d.api.newInventory(all)
	for _, scope := range scopes {
		for _, name := range in.byMark[scope.Mark] {
			g := in.byName[name]
			d.api.seen.put(&g)
		}
	}
	return in, nil
}

// complete adds those of the named groups that are not among the found ones: they
// have no label, or another one, or do not exist.
func (a *api) complete(ctx context.Context, found []userv1.Group, names []string) ([]userv1.Group, error) {
	known := map[string]bool{}
	for _, g := range found {
		known[g.Name] = true
	}
	rest := slices.DeleteFunc(unique(names), func(name string) bool { return known[name] || rules.Name(name) != "" })
	if len(rest) > narrow {
		return a.list(ctx, "")
	}
	more := make([][]userv1.Group, len(rest))
	err := each(ctx, rest, func(ctx context.Context, i int, name string) error {
		g, err := a.group(ctx, name)
		if errors.Is(err, fault.ErrNotFound) {
			return nil
		}
		if err == nil {
			more[i] = []userv1.Group{*g}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return slices.Concat(found, slices.Concat(more...)), nil
}
