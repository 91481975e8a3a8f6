package aks

import (
	"context"
	"fmt"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/aks/rules"
	"github.com/rollcall-iam/rollcall/internal/driver/azure"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// Observe implements driver.Driver: the bindings of all namespaces, the roles on
// the cluster, and the groups of all scopes together.
func (d *Driver) Observe(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
	if len(scopes) == 0 {
		return nil, ctx.Err()
	}
	namespaces, err := d.cluster.Look(ctx, scopes)
	if err != nil {
		return nil, err
	}
	inCluster := make([][]access.Binding, len(scopes))
	var bound []string
	for i, scope := range scopes {
		if namespaces[i].Missing {
			continue
		}
		inCluster[i] = kubernetes.GroupBindings(scope, namespaces[i].Bindings)
		for _, b := range inCluster[i] {
			bound = append(bound, b.GroupRef)
		}
	}
	// Also those of a namespace that is missing: they are in the directory.
	read, err := d.ReadGroups(ctx, scopes, bound)
	if err != nil {
		return nil, err
	}
	observations := make([]driver.Observation, len(scopes))
	for i, scope := range scopes {
		observations[i] = driver.Observation{Missing: namespaces[i].Missing, State: access.State{
			Groups:   read.At(scope, read.Marked(scope.Mark, subjects(inCluster[i]))...),
			Bindings: named(scope, inCluster[i], read),
		}}
	}
	if err := d.inAzure(ctx, read, observations); err != nil {
		return nil, err
	}
	return observations, nil
}

// inAzure adds the roles on the cluster that the observed groups have.
func (d *Driver) inAzure(ctx context.Context, read azure.Groups, observations []driver.Observation) error {
	var shown []access.Group
	missing := true
	for _, o := range observations {
		shown = append(shown, o.State.Groups...)
		missing = missing && o.Missing
	}
	if missing && len(shown) == 0 {
		return nil // there is nobody to have a role
	}
	given, err := d.grants.Read(ctx, []string{d.resource})
	if err != nil {
		return err
	}
	if given[0].Missing {
		return fmt.Errorf("aks: %w: Azure has no cluster %s: correct clusterResourceId", fault.ErrInvalid, d.resource)
	}
	all, err := d.grants.Bindings(ctx, given[0], read, shown)
	if err != nil {
		return err
	}
	byGroup := map[string][]access.Binding{}
	for _, b := range all {
		b.Role = rules.OfAzure + b.Role
		byGroup[b.GroupRef] = append(byGroup[b.GroupRef], b)
	}
	for i := range observations {
		state := &observations[i].State
		for _, g := range state.Groups {
			state.Bindings = append(state.Bindings, byGroup[g.Ref]...)
		}
		state.Sort()
	}
	return nil
}
