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
	if len(scopes) == 0 {
		return nil, ctx.Err()
	}
	bindings, err := d.bindings(ctx, scopes)
	if err != nil {
		return nil, err
	}
	there, err := d.present(ctx, scopes, bindings)
	if err != nil {
		return nil, err
	}
	observations := make([]driver.Observation, len(scopes))
	for i, scope := range scopes {
		observations[i].Missing = !there[scope.ID]
		for _, b := range bindings[scope.ID] {
			state := &observations[i].State
			state.Bindings = append(state.Bindings, toBinding(scope, b))
		}
		observations[i].State.Sort()
	}
	return observations, nil
}

// bindings reads the bindings at the scopes, by namespace.
func (d *Driver) bindings(ctx context.Context, scopes []driver.Scope) (map[string][]rbacv1.RoleBinding, error) {
	namespace := "" // all
	if len(scopes) == 1 {
		if namespace = scopes[0].ID; !isNamespace(namespace) {
			return nil, ctx.Err()
		}
	}
	all, err := d.api.bindings(ctx, namespace)
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
func (d *Driver) present(
	ctx context.Context, scopes []driver.Scope, bindings map[string][]rbacv1.RoleBinding,
) (map[string]bool, error) {
	there := map[string]bool{}
	for namespace := range bindings {
		there[namespace] = true
	}
	empty := slices.IndexFunc(scopes, func(s driver.Scope) bool { return !there[s.ID] && isNamespace(s.ID) })
	switch {
	case empty < 0:
		return there, nil
	case len(scopes) == 1:
		found, err := d.api.exists(ctx, "/api/v1", "namespaces", scopes[0].ID)
		there[scopes[0].ID] = found
		return there, err
	}
	names, err := d.api.namespaces(ctx)
	for _, name := range names {
		there[name] = true
	}
	return there, err
}

// isNamespace reports whether there can be a namespace of that name. The empty
// name, above all, would read or write somewhere else.
func isNamespace(id string) bool { return len(validation.IsDNS1123Label(id)) == 0 }
