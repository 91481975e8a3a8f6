package openshift

import (
	"context"
	"encoding/json"
	"fmt"

	userv1 "github.com/openshift/api/user/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// Where users and groups are.
const (
	userAPI = "/apis/user.openshift.io/v1"
	groups  = "groups"
	users   = "users"
)

// manager is the name under which the server notes who wrote a field.
const manager = "rollcall"

// narrow is how many objects are asked for one by one. From there on one list of
// all is taken. atOnce is how many of these calls are open together.
const (
	narrow = 20
	atOnce = 4
)

// api makes calls to one cluster, and remembers the groups it has seen there.
type api struct {
	cluster *kubernetes.Cluster
	seen    *seen
}

// asJSON is for users and groups: they come from an API server of their own, and
// there are few enough.
func asJSON(r *rest.Request) *rest.Request { return r.SetHeader("Accept", runtime.ContentTypeJSON) }

// list reads all groups with these labels: all there are if labels is "".
func (a *api) list(ctx context.Context, labels string) ([]userv1.Group, error) {
	const operation = "GET " + groups
	return kubernetes.List(func(limit int, next string) ([]userv1.Group, metav1.ListMeta, error) {
		var page userv1.GroupList
		err := a.cluster.Call(ctx, operation, calls.Long(), &page, func(r *rest.RESTClient) *rest.Request {
			request := kubernetes.Paged(r.Get().AbsPath(userAPI).Resource(groups), limit, next)
			if labels != "" {
				request = request.Param("labelSelector", labels)
			}
			return asJSON(request)
		})
		return page.Items, page.ListMeta, kubernetes.Whole(operation, page.ListMeta, err)
	})
}

// group reads one group. A missing one is fault.ErrNotFound.
func (a *api) group(ctx context.Context, name string) (*userv1.Group, error) {
	return a.one(ctx, "GET "+groups+" "+name, func(r *rest.RESTClient) *rest.Request {
		return r.Get().AbsPath(userAPI).Resource(groups).Name(name)
	})
}

// create makes a group. One that exists is fault.ErrConflict.
func (a *api) create(ctx context.Context, group *userv1.Group) (*userv1.Group, error) {
	operation := "POST " + groups + " " + group.Name
	body, err := json.Marshal(group)
	if err != nil {
		return nil, fmt.Errorf("openshift: %s: %w: %w", operation, fault.ErrInvalid, err)
	}
	return a.one(ctx, operation, func(r *rest.RESTClient) *rest.Request {
		return r.Post().AbsPath(userAPI).Resource(groups).Param("fieldManager", manager).
			SetHeader("Content-Type", runtime.ContentTypeJSON).Body(body)
	})
}

// setUsers writes all users of a group, if it is as it was read: else it fails with
// fault.ErrConflict, or with fault.ErrNotFound.
func (a *api) setUsers(ctx context.Context, group *userv1.Group, users []string) (*userv1.Group, error) {
	return a.patch(ctx, group, map[string]any{
		"metadata": map[string]any{"resourceVersion": group.ResourceVersion}, "users": users,
	})
}

// setMark writes labels and annotations of a group, beside those of others, if it
// is as it was read: else it fails as setUsers does.
func (a *api) setMark(ctx context.Context, group *userv1.Group, labels, annotations map[string]string) (*userv1.Group, error) {
	return a.patch(ctx, group, map[string]any{"metadata": map[string]any{
		"resourceVersion": group.ResourceVersion, "labels": labels, "annotations": annotations,
	}})
}

// patch merges the change into a group.
func (a *api) patch(ctx context.Context, group *userv1.Group, change map[string]any) (*userv1.Group, error) {
	operation := "PATCH " + groups + " " + group.Name
	body, err := json.Marshal(change)
	if err != nil {
		return nil, fmt.Errorf("openshift: %s: %w: %w", operation, fault.ErrInvalid, err)
	}
	return a.one(ctx, operation, func(r *rest.RESTClient) *rest.Request {
		return r.Patch(types.MergePatchType).AbsPath(userAPI).Resource(groups).Name(group.Name).
			Param("fieldManager", manager).Body(body)
	})
}

// remove deletes a group, if it is as it was read.
func (a *api) remove(ctx context.Context, group *userv1.Group) error {
	operation := "DELETE " + groups + " " + group.Name
	body, err := json.Marshal(metav1.DeleteOptions{
		TypeMeta:      metav1.TypeMeta{Kind: "DeleteOptions", APIVersion: "v1"},
		Preconditions: &metav1.Preconditions{UID: &group.UID, ResourceVersion: &group.ResourceVersion},
	})
	if err != nil {
		return fmt.Errorf("openshift: %s: %w: %w", operation, fault.ErrInvalid, err)
	}
	return a.cluster.Call(ctx, operation, calls.Default(), nil, func(r *rest.RESTClient) *rest.Request {
		return asJSON(r.Delete().AbsPath(userAPI).Resource(groups).Name(group.Name)).
			SetHeader("Content-Type", runtime.ContentTypeJSON).Body(body)
	})
}

// one makes a call that answers with a group.
func (a *api) one(ctx context.Context, operation string, ask func(*rest.RESTClient) *rest.Request) (*userv1.Group, error) {
	var found userv1.Group
	err := a.cluster.Call(ctx, operation, calls.Default(), &found, func(r *rest.RESTClient) *rest.Request {
		return asJSON(ask(r))
	})
	if err != nil {
		return nil, err
	}
	if found.UID == "" || found.ResourceVersion == "" {
		return nil, kubernetes.Unreadable(operation)
	}
	return &found, nil
}

// each calls do for every item, several at once, and starts no more when one has
// failed.
func each[T any](ctx context.Context, items []T, do func(context.Context, int, T) error) error {
	return calls.Each(ctx, atOnce, items, do)
}
