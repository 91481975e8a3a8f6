package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// manager is the name under which server-side apply knows our fields.
const manager = "rollcall"

// pageSize is how many objects of a list come at once: what kubectl asks for.
const pageSize = 500

// onlyNames asks for objects without what is in them.
const onlyNames = "application/vnd.kubernetes.protobuf;as=%[1]s;g=meta.k8s.io;v=v1,application/json;as=%[1]s;g=meta.k8s.io;v=v1"

// Call makes one call, and once more with credentials read again where the first
// ones are refused. That is the only retry there is: the client's own are switched
// off, because it would wait out a Retry-After by itself. The operation is a method
// and a path without people in it, for errors. A call that does not keep
// the deadline has failed. into gets the answer; nil drops it.
func (c *Cluster) Call(
	ctx context.Context, operation string, deadline calls.Deadline, into runtime.Object, ask func(*rest.RESTClient) *rest.Request,
) error {
	client, token, err := c.session.signedIn(ctx, nil, "")
	if err != nil {
		return failure(ctx, operation, err, 0)
	}
	var after time.Duration
	once := func() error {
		with := calls.WithDeadline(context.WithValue(ctx, delayKey{}, &after), operation, deadline)
		with = klog.NewContext(with, klog.New(nil)) // the client's own log may name people
		request := ask(client).MaxRetries(0)
		if token != "" {
			request = request.SetHeader("Authorization", "Bearer "+token)
		}
		answer := request.Do(with)
		if into == nil {
			return answer.Error()
		}
		return answer.Into(into)
	}
	err = once()
	if apierrors.IsUnauthorized(err) && ctx.Err() == nil {
		if client, token, err = c.session.signedIn(ctx, client, token); err != nil {
			return failure(ctx, operation, err, 0)
		}
		err = once()
	}
	return failure(ctx, operation, err, after)
}

// bindings lists the RoleBindings of a namespace; of all of them if it is "".
func (c *Cluster) bindings(ctx context.Context, namespace string) ([]rbacv1.RoleBinding, error) {
	return c.labelled(ctx, namespace, "")
}

// labelled lists the bindings with these labels: all there are if labels is "".
func (c *Cluster) labelled(ctx context.Context, namespace, labels string) ([]rbacv1.RoleBinding, error) {
	operation := "GET rolebindings of " + namespace
	if namespace == "" {
		operation = "GET rolebindings"
	}
	return List(func(limit int, next string) ([]rbacv1.RoleBinding, metav1.ListMeta, error) {
		var page rbacv1.RoleBindingList
		err := c.Call(ctx, operation, calls.Long(), &page, func(r *rest.RESTClient) *rest.Request {
			request := Paged(r.Get().NamespaceIfScoped(namespace, namespace != "").Resource("rolebindings"), limit, next)
			if labels != "" {
				request = request.Param("labelSelector", labels)
			}
			return request
		})
		return page.Items, page.ListMeta, Whole(operation, page.ListMeta, err)
	})
}

// Names lists the names of all objects of a kind in the cluster. A path such as
// "/api/v1" and the resource say which.
func (c *Cluster) Names(ctx context.Context, path, resource string) ([]string, error) {
	operation := "GET " + resource
	found, err := List(func(limit int, next string) ([]metav1.PartialObjectMetadata, metav1.ListMeta, error) {
		var page metav1.PartialObjectMetadataList
		err := c.Call(ctx, operation, calls.Long(), &page, func(r *rest.RESTClient) *rest.Request {
			return Paged(r.Get().AbsPath(path).Resource(resource), limit, next).
				SetHeader("Accept", fmt.Sprintf(onlyNames, "PartialObjectMetadataList"))
		})
		return page.Items, page.ListMeta, Whole(operation, page.ListMeta, err)
	})
	names := make([]string, len(found))
	for i, n := range found {
		names[i] = n.Name
	}
	return names, err
}

// List reads all pages of a list, as much of it at once as limit says, or from
// where next points; see Paged. A snapshot that is dropped in between takes what was
// read with it: then the list is read once more, in one piece.
func List[T any](read func(limit int, next string) ([]T, metav1.ListMeta, error)) ([]T, error) {
	all, err := pages(read, pageSize)
	if errors.Is(err, errExpired) {
		return pages(read, 0)
	}
	return all, err
}

// pages reads page after page; all at once where limit is 0.
func pages[T any](read func(limit int, next string) ([]T, metav1.ListMeta, error), limit int) ([]T, error) {
	var all []T
	for next := ""; ; {
		items, meta, err := read(limit, next)
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
		if meta.Continue == "" {
			return all, nil
		}
		if meta.Continue == next || len(items) == 0 {
			return nil, fmt.Errorf("kubernetes: a list that does not go on: %w", fault.ErrTruncated)
		}
		next = meta.Continue
	}
}

// Paged asks for one page of a list: of at most limit entries unless it is 0, and
// from where the page before left off unless next is "".
func Paged(r *rest.Request, limit int, next string) *rest.Request {
	if limit > 0 {
		r = r.Param("limit", strconv.Itoa(limit))
	}
	if next != "" {
		r = r.Param("continue", next)
	}
	return r
}

// Whole refuses an answer that is no list: a list has a resourceVersion. That
// there is no such list is no answer either.
func Whole(operation string, meta metav1.ListMeta, err error) error {
	switch {
	case errors.Is(err, fault.ErrNotFound):
		return fmt.Errorf("kubernetes: %s: %w: the server has no such list: check server", operation, fault.ErrUnavailable)
	case err != nil:
		return err
	case meta.ResourceVersion == "":
		return Unreadable(operation)
	default:
		return nil
	}
}

// Exists reports whether there is a cluster-wide object of exactly that name. A
// path such as "/api/v1" and the resource say where; the operation is for errors.
func (c *Cluster) Exists(ctx context.Context, operation, path, resource, name string) (bool, error) {
	var found metav1.PartialObjectMetadata
	err := c.Call(ctx, operation, calls.Default(), &found, func(r *rest.RESTClient) *rest.Request {
		return r.Get().AbsPath(path).Resource(resource).Name(name).
			SetHeader("Accept", fmt.Sprintf(onlyNames, "PartialObjectMetadata"))
	})
	switch {
	case errors.Is(err, errNotTheirs): // it would pass for an answer
		return false, fmt.Errorf("kubernetes: %s: %w: %w", operation, fault.ErrUnavailable, errNotTheirs)
	case errors.Is(err, fault.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case found.UID == "":
		return false, Unreadable(operation)
	default:
		return true, nil
	}
}

// binding reads one RoleBinding. A missing one is fault.ErrNotFound.
func (c *Cluster) binding(ctx context.Context, namespace, name string) (*rbacv1.RoleBinding, error) {
	return c.one(ctx, operationOn(http.MethodGet, namespace, name), func(r *rest.RESTClient) *rest.Request {
		return r.Get().Namespace(namespace).Resource("rolebindings").Name(name)
	})
}

// apply writes one RoleBinding, and takes over fields that others manage where
// force is true.
func (c *Cluster) apply(ctx context.Context, want intent, force bool) (*rbacv1.RoleBinding, error) {
	operation := operationOn(http.MethodPatch, want.Metadata.Namespace, want.Metadata.Name)
	body, err := json.Marshal(want)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %s: %w: %w", operation, fault.ErrInvalid, err)
	}
	return c.one(ctx, operation, func(r *rest.RESTClient) *rest.Request {
		return r.Patch(types.ApplyPatchType).Namespace(want.Metadata.Namespace).Resource("rolebindings").Name(want.Metadata.Name).
			Param("fieldManager", manager).Param("force", strconv.FormatBool(force)).Body(body)
	})
}

// delete removes one RoleBinding if it is the one that the preconditions say.
func (c *Cluster) delete(ctx context.Context, namespace, name string, only metav1.Preconditions) error {
	operation := operationOn(http.MethodDelete, namespace, name)
	body, err := json.Marshal(metav1.DeleteOptions{
		TypeMeta: metav1.TypeMeta{Kind: "DeleteOptions", APIVersion: "v1"}, Preconditions: &only,
	})
	if err != nil {
		return fmt.Errorf("kubernetes: %s: %w: %w", operation, fault.ErrInvalid, err)
	}
	return c.Call(ctx, operation, calls.Default(), nil, func(r *rest.RESTClient) *rest.Request {
		return r.Delete().Namespace(namespace).Resource("rolebindings").Name(name).
			SetHeader("Content-Type", runtime.ContentTypeJSON).Body(body)
	})
}

// one makes a call that answers with a RoleBinding.
func (c *Cluster) one(ctx context.Context, operation string, ask func(*rest.RESTClient) *rest.Request) (*rbacv1.RoleBinding, error) {
	var found rbacv1.RoleBinding
	if err := c.Call(ctx, operation, calls.Default(), &found, ask); err != nil {
		return nil, err
	}
	if found.UID == "" || found.ResourceVersion == "" {
		return nil, Unreadable(operation)
	}
	return &found, nil
}

func operationOn(method, namespace, name string) string {
	return method + " rolebinding " + namespace + "/" + name
}
