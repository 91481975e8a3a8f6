package kubernetes

import (
	"context"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/rollcall-iam/rollcall/internal/driver"
)

// Observe implements driver.Driver: one list of bindings for any number of
// scopes, and one of namespaces where a scope has no binding.
func (d *Driver) Observe(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
	found, err := d.cluster.Look(ctx, scopes)
	if err != nil {
		return nil, err
	}
	observations := make([]driver.Observation, len(scopes))
	for i, scope := range scopes {
		observations[i].Missing = found[i].Missing
		for _, b := range found[i].Bindings {
			state := &observations[i].State
			state.Bindings = append(state.Bindings, toBinding(scope, b))
		}
		observations[i].State.Sort()
	}
	return observations, nil
}

// Namespace is what is in one namespace.
type Namespace struct {
	Bindings []rbacv1.RoleBinding
	// Missing is true when the API server says that there is no such namespace,
	// or when there can be none of that name.
	Missing bool
}

// Look reads the namespaces that are the scopes' ids, in order, or fails: it never
// returns a part. It makes one call for all bindings, and one more where a
// namespace has none; more only where lists are longer than a page.
func (c *Cluster) Look(ctx context.Context, scopes []driver.Scope) ([]Namespace, error) {
	if len(scopes) == 0 {
		return nil, ctx.Err()
	}
	bindings, err := c.bindingsAt(ctx, scopes)
	if err != nil {
		return nil, err
	}
	there, err := c.present(ctx, scopes, bindings)
	if err != nil {
		return nil, err
	}
	found := make([]Namespace, len(scopes))
	for i, scope := range scopes {
		found[i] = Namespace{Bindings: bindings[scope.ID], Missing: !there[scope.ID]}
	}
	return found, nil
}

// bindingsAt reads the bindings at the scopes, by namespace.
func (c *Cluster) bindingsAt(ctx context.Context, scopes []driver.Scope) (map[string][]rbacv1.RoleBinding, error) {
	namespace := "" // all
	if len(scopes) == 1 {
		if namespace = scopes[0].ID; !IsNamespace(namespace) {
			return nil, ctx.Err()
		}
	}
	all, err := c.bindings(ctx, namespace)
	if err != nil {
		return nil, err
	}
	asked := map[string]bool{}
	for _, scope := range scopes {
		asked[scope.ID] = true
	}
	bindings := map[string][]rbacv1.RoleBinding{}
	for _, b := range all {
		if asked[b.Namespace] {
			bindings[b.Namespace] = append(bindings[b.Namespace], b)
		}
	}
	return bindings, nil
}

// present says which of the scopes' namespaces exist. Those with a binding do.
func (c *Cluster) present(
	ctx context.Context, scopes []driver.Scope, bindings map[string][]rbacv1.RoleBinding,
) (map[string]bool, error) {
	const path, resource = "/api/v1", "namespaces"
	there := map[string]bool{}
	for namespace := range bindings {
		there[namespace] = true
	}
	empty := slices.IndexFunc(scopes, func(s driver.Scope) bool { return !there[s.ID] && IsNamespace(s.ID) })
	switch {
	case empty < 0:
		return there, nil
	case len(scopes) == 1:
		id := scopes[0].ID
		found, err := c.Exists(ctx, "GET namespaces "+id, path, resource, id)
		there[id] = found
		return there, err
	}
	names, err := c.Names(ctx, path, resource)
	for _, name := range names {
		there[name] = true
	}
	return there, err
}

// IsNamespace reports whether there can be a namespace of that name. The empty
// name, above all, would read or write somewhere else.
func IsNamespace(id string) bool { return len(validation.IsDNS1123Label(id)) == 0 }
