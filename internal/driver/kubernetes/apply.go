package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// table is all that Apply can do. What is not in it is refused.
func (d *Driver) table() driver.Table {
	return driver.Table{
		{Kind: access.KindBinding, Op: plan.Create}: d.createBinding,
		{Kind: access.KindBinding, Op: plan.Change}: d.changeBinding,
		{Kind: access.KindBinding, Op: plan.Delete}: d.deleteBinding,
	}
}

// Apply implements driver.Driver.
func (d *Driver) Apply(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
	if !IsNamespace(scope.ID) {
		return driver.Refuse(steps, fmt.Errorf("kubernetes: %w: %q is not the name of a namespace", fault.ErrInvalid, scope.ID))
	}
	return d.handlers.Apply(ctx, rules.Type, rules.Fit, scope, steps)
}

// createBinding looks first: a binding of our name may be left from a crash, or
// be somebody else's with the very same content.
func (d *Driver) createBinding(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	want := *step.Want.Binding
	if err := d.cluster.roleExists(ctx, want.Role); err != nil {
		return "", err
	}
	for _, name := range names(want.Role) {
		there, err := d.cluster.binding(ctx, scope.ID, name)
		switch {
		case errors.Is(err, fault.ErrNotFound):
			return d.makeBinding(ctx, scope, name, want)
		case err != nil:
			return "", err
		case roleOf(*there) != want.Role:
			continue // a binding's role cannot be changed: ours goes beside it
		case !ours(scope, *there):
			return "", taken(scope, name)
		case !lists(*there, want.Subjects):
			return "", moved(scope, name)
		default:
			return bindingRef(*there), nil
		}
	}
	return "", taken(scope, names(want.Role)[1])
}

// makeBinding applies without force. Whoever was faster with another content has
// fields that are theirs, and that is a conflict.
func (d *Driver) makeBinding(ctx context.Context, scope driver.Scope, name string, want access.Binding) (string, error) {
	body, err := toIntent(scope, name, want)
	if err != nil {
		return "", err
	}
	return d.cluster.write(ctx, body, false)
}

// changeBinding writes all subjects at once, on the condition that the binding is
// still as the step expects it.
func (d *Driver) changeBinding(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	if step.Want.Binding == nil || step.Have.Binding == nil {
		return "", fmt.Errorf("kubernetes: %w: a change of subjects without those before and after", fault.ErrInvalid)
	}
	have, want := *step.Have.Binding, *step.Want.Binding
	name, uid := place(have)
	body, err := toIntent(scope, name, want)
	if err != nil {
		return "", err
	}
	body.Metadata.UID = uid
	if body.Metadata.ResourceVersion = have.Version; have.Version != "" {
		made, err := d.cluster.apply(ctx, body, true)
		if err == nil {
			return bindingRef(*made), nil
		}
		if !errors.Is(err, fault.ErrConflict) {
			return "", err
		}
	}
	there, err := d.current(ctx, scope, have)
	if err != nil {
		return "", err
	}
	if lists(*there, want.Subjects) {
		return bindingRef(*there), nil // done before
	}
	if have.Version != "" || !lists(*there, have.Subjects) {
		return "", moved(scope, name)
	}
	body.Metadata.UID, body.Metadata.ResourceVersion = string(there.UID), there.ResourceVersion
	made, err := d.cluster.apply(ctx, body, true)
	if err != nil {
		return "", err
	}
	return bindingRef(*made), nil
}

// deleteBinding removes the binding that was observed, as it was observed.
func (d *Driver) deleteBinding(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	have := *step.Have.Binding
	name, uid := place(have)
	id := types.UID(uid)
	only := metav1.Preconditions{UID: &id, ResourceVersion: &have.Version}
	if uid == "" || have.Version == "" {
		there, err := d.current(ctx, scope, have)
		if errors.Is(err, fault.ErrNotFound) {
			return have.Ref, nil
		}
		if err != nil {
			return "", err
		}
		if have.Version != "" && have.Version != there.ResourceVersion || !lists(*there, have.Subjects) {
			return "", moved(scope, name)
		}
		only = metav1.Preconditions{UID: &there.UID, ResourceVersion: &there.ResourceVersion}
	}
	if err := d.cluster.delete(ctx, scope.ID, name, only); err != nil && !errors.Is(err, fault.ErrNotFound) {
		return "", err
	}
	return have.Ref, nil
}

// current reads a binding that is about to be written, and fails with
// fault.ErrConflict if it is not ours or gives another role.
func (d *Driver) current(ctx context.Context, scope driver.Scope, have access.Binding) (*rbacv1.RoleBinding, error) {
	name, uid := place(have)
	there, err := d.cluster.binding(ctx, scope.ID, name)
	if err != nil {
		return nil, err
	}
	if !ours(scope, *there) || roleOf(*there) != have.Role || uid != "" && uid != string(there.UID) {
		return nil, taken(scope, name)
	}
	return there, nil
}

func moved(scope driver.Scope, name string) error {
	return fmt.Errorf("kubernetes: rolebinding %s/%s: %w: it has changed since it was read", scope.ID, name, fault.ErrConflict)
}

func taken(scope driver.Scope, name string) error {
	return fmt.Errorf("kubernetes: rolebinding %s/%s: %w: nothing on it says that it is ours", scope.ID, name, fault.ErrConflict)
}

// roleNames remembers for a while which ClusterRoles there are. The API lets
// whoever has the verb bind give a role that does not exist, to nobody's use.
type roleNames struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

// rolesFor is how long a ClusterRole is taken to be there.
const rolesFor = 10 * time.Minute

func newRoleNames() *roleNames { return &roleNames{seen: map[string]time.Time{}} }

// roleExists fails with fault.ErrInvalid where there is no such ClusterRole. With
// credentials that may not look, it leaves that to the API server.
func (c *Cluster) roleExists(ctx context.Context, role string) error {
	r := c.roles
	r.mu.Lock()
	at, known := r.seen[role]
	r.mu.Unlock()
	if known && time.Since(at) < rolesFor {
		return ctx.Err()
	}
	found, err := c.Exists(ctx, "GET clusterroles "+role, "/apis/rbac.authorization.k8s.io/v1", "clusterroles", role)
	if errors.Is(err, fault.ErrDenied) {
		return nil
	}
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("kubernetes: %w: there is no ClusterRole %q: create it, or change the role mapping", fault.ErrInvalid, role)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[role] = time.Now()
	return nil
}
