package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// GroupBindings are a namespace's bindings as Rollcall sees them where roles are
// given to groups: one for each group that a RoleBinding lists, and one for its
// other subjects together. Both Group and GroupRef are the group's name as the
// subject has it.
//
// Ours has an empty Name only where it lists its group and nobody else. What
// somebody has made of it otherwise is shown as theirs, under the RoleBinding's
// name, until GiveGroup puts ours back.
func GroupBindings(scope driver.Scope, found []rbacv1.RoleBinding) []access.Binding {
	var bindings []access.Binding
	for _, b := range found {
		common := access.Binding{
			Role: roleOf(b), Name: b.Name, Ref: bindingRef(b), Version: b.ResourceVersion, Mark: MarkOf(&b),
		}
		groups, others := parted(b)
		if ours(scope, b) && (len(groups) != 1 || len(others) > 0) {
			common.Mark = access.Mark{}
		}
		for _, group := range groups {
			given := common
			given.Group, given.GroupRef = group, group
			if isOf(scope, b, group) {
				given.Name = ""
			}
			bindings = append(bindings, given)
		}
		if len(others) > 0 {
			common.Subjects = others
			bindings = append(bindings, common)
		}
	}
	return bindings
}

// isOf reports whether the binding is the one that Rollcall makes for that group,
// or in its place, and for nobody else.
func isOf(scope driver.Scope, b rbacv1.RoleBinding, group string) bool {
	return isClusterRole(b) && only(b, group) && (ours(scope, b) || b.Name == groupNames(b.RoleRef.Name, group)[0])
}

// parted returns the groups that the binding lists, and all its other subjects.
func parted(b rbacv1.RoleBinding) (groups []string, others []access.Member) {
	for _, s := range b.Subjects {
		if s.Kind == rbacv1.GroupKind {
			groups = append(groups, s.Name)
		}
	}
	slices.Sort(groups)
	b.Subjects = withoutGroups(b.Subjects)
	return slices.Compact(groups), subjectsOf(b)
}

func withoutGroups(subjects []rbacv1.Subject) []rbacv1.Subject {
	return slices.DeleteFunc(slices.Clone(subjects), func(s rbacv1.Subject) bool { return s.Kind == rbacv1.GroupKind })
}

// only reports whether the group is the binding's one subject.
func only(b rbacv1.RoleBinding, group string) bool {
	groups, others := parted(b)
	return len(others) == 0 && slices.Equal(groups, []string{group})
}

// groupNames returns what our binding of the role to the group may be called. No
// group's name that is checked anywhere holds a colon, so that no two share one.
func groupNames(role, group string) [2]string { return names(role + ":" + group) }

// GiveGroup gives the binding's role to the group, which is the subject's name, in
// the scope's namespace, and returns the binding's ref. A binding that is there as
// wanted is no error, and neither is one of ours that somebody has changed: it is
// put back. One of somebody else's stays as it is; ours goes beside it, and so does
// one that is carried. A ClusterRole that does not exist is fault.ErrInvalid, a
// missing namespace fault.ErrNotFound.
func (c *Cluster) GiveGroup(ctx context.Context, scope driver.Scope, b access.Binding, group string) (ref string, err error) {
	role := b.Role
	if !IsNamespace(scope.ID) || role == "" || group == "" {
		return "", fmt.Errorf("kubernetes: %w: a binding without a namespace, role or group", fault.ErrInvalid)
	}
	subjects := []rbacv1.Subject{{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: group}}
	if b.Carried {
		return c.carry(ctx, newCarried(scope, b, subjects))
	}
	if err := c.roleExists(ctx, role); err != nil {
		return "", err
	}
	var name string
	for _, name = range groupNames(role, group) {
		want := newIntent(scope, name, role, subjects)
		there, err := c.binding(ctx, scope.ID, name)
		switch {
		case errors.Is(err, fault.ErrNotFound):
			return c.write(ctx, want, false)
		case err != nil:
			return "", err
		case roleOf(*there) != role || !ours(scope, *there):
			continue
		case only(*there, group):
			return bindingRef(*there), nil
		default:
			want.Metadata.UID, want.Metadata.ResourceVersion = string(there.UID), there.ResourceVersion
			return c.write(ctx, want, true)
		}
	}
	return "", taken(scope, name)
}

// carry makes a binding that is nobody's. Making it again changes nothing; what
// somebody has made of it since is theirs, and a conflict.
func (c *Cluster) carry(ctx context.Context, want intent) (string, error) {
	if want.RoleRef.Kind == clusterRole {
		if err := c.roleExists(ctx, want.RoleRef.Name); err != nil {
			return "", err
		}
	}
	return c.write(ctx, want, false)
}

// write applies the binding. Without force, whoever was faster with another content
// has fields that are theirs, and that is a conflict.
func (c *Cluster) write(ctx context.Context, want intent, force bool) (string, error) {
	made, err := c.apply(ctx, want, force)
	if errors.Is(err, fault.ErrDenied) {
		return "", fmt.Errorf("%w: do the credentials have the verb bind on the %s %q?", err, want.RoleRef.Kind, want.RoleRef.Name)
	}
	if err != nil {
		return "", err
	}
	return bindingRef(*made), nil
}

// TakeGroup takes the role from the binding's group: it deletes the RoleBinding, or
// takes the group off one of somebody else's that lists others, too. One that is
// gone is no error; one that has changed since it was observed is
// fault.ErrConflict.
func (c *Cluster) TakeGroup(ctx context.Context, scope driver.Scope, have access.Binding) error {
	if !IsNamespace(scope.ID) {
		return fmt.Errorf("kubernetes: %w: %q is not the name of a namespace", fault.ErrInvalid, scope.ID)
	}
	name, uid := groupPlace(have)
	id := types.UID(uid)
	known := metav1.Preconditions{UID: &id, ResourceVersion: &have.Version}
	if have.Name == "" && have.Mark == scope.Mark && uid != "" && have.Version != "" {
		return gone(c.delete(ctx, scope.ID, name, known))
	}
	there, err := c.binding(ctx, scope.ID, name)
	if err != nil {
		return gone(err)
	}
	if uid != "" && uid != string(there.UID) || have.Version != "" && have.Version != there.ResourceVersion {
		return moved(scope, name)
	}
	known = metav1.Preconditions{UID: &there.UID, ResourceVersion: &there.ResourceVersion}
	switch groups, _ := parted(*there); {
	case roleOf(*there) != have.Role || have.Name == "" && uid == "" && !ours(scope, *there):
		return taken(scope, name)
	case ours(scope, *there) || only(*there, have.Group):
		return gone(c.delete(ctx, scope.ID, name, known))
	case !slices.Contains(groups, have.Group):
		return nil
	default:
		return gone(c.unlist(ctx, *there, have.Group))
	}
}

// gone takes "not found" for done.
func gone(err error) error {
	if errors.Is(err, fault.ErrNotFound) {
		return nil
	}
	return err
}

// groupPlace returns where the binding is: as its ref says, else under its own
// name, else where ours would be.
func groupPlace(b access.Binding) (name, uid string) {
	if b.Ref == "" {
		if b.Name != "" {
			return b.Name, ""
		}
		return groupNames(b.Role, b.Group)[0], ""
	}
	return place(b)
}

// unlist takes one group off a binding, if that is as it was read.
func (c *Cluster) unlist(ctx context.Context, b rbacv1.RoleBinding, group string) error {
	operation := operationOn(http.MethodPatch, b.Namespace, b.Name)
	body, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": b.ResourceVersion},
		"subjects": slices.DeleteFunc(slices.Clone(b.Subjects), func(s rbacv1.Subject) bool {
			return s.Kind == rbacv1.GroupKind && s.Name == group
		}),
	})
	if err != nil {
		return fmt.Errorf("kubernetes: %s: %w: %w", operation, fault.ErrInvalid, err)
	}
	_, err = c.one(ctx, operation, func(r *rest.RESTClient) *rest.Request {
		return r.Patch(types.MergePatchType).Namespace(b.Namespace).Resource("rolebindings").Name(b.Name).
			Param("fieldManager", manager).Body(body)
	})
	return err
}
