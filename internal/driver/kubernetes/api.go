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

	"github.com/rollcall-iam/rollcall/internal/fault"
)

// manager is the name under which server-side apply knows our fields.
const manager = "rollcall"

// pageSize is how many objects of a list come at once: what kubectl asks for.
const pageSize = 500

// How long one call may take.
const (
	callTimeout = time.Minute
	listTimeout = 5 * time.Minute
)

// onlyNames asks for objects without what is in them.
const onlyNames = "application/vnd.kubernetes.protobuf;as=%[1]s;g=meta.k8s.io;v=v1,application/json;as=%[1]s;g=meta.k8s.io;v=v1"

// api makes calls to one API server.
type api struct{ session *session }

// call makes one call, and once more with credentials read again where the
// first ones are refused. That is the only retry there is: the client's own are
// switched off, because it would wait out a Retry-After by itself.
func (a *api) call(
	ctx context.Context, operation string, limit time.Duration, into runtime.Object, ask func(*rest.RESTClient) *rest.Request,
) error {
	client, err := a.session.client()
	if err != nil {
		return err
	}
	once := func(client *rest.RESTClient) error {
		limited, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		limited = klog.NewContext(limited, klog.New(nil)) // the client's own log may name people
		answer := ask(client).MaxRetries(0).Do(limited)
		if into == nil {
			return answer.Error()
		}
		return answer.Into(into)
	}
	err = once(client)
	if apierrors.IsUnauthorized(err) && ctx.Err() == nil {
		if client, err = a.session.renew(client); err != nil {
			return err
		}
		err = once(client)
	}
	return failure(ctx, operation, err)
}

// bindings lists the RoleBindings of a namespace; of all of them if it is "".
func (a *api) bindings(ctx context.Context, namespace string) ([]rbacv1.RoleBinding, error) {
	operation := "GET rolebindings of " + namespace
	if namespace == "" {
		operation = "GET rolebindings"
	}
	return list(func(limit int, next string) ([]rbacv1.RoleBinding, metav1.ListMeta, error) {
		var page rbacv1.RoleBindingList
		err := a.call(ctx, operation, listTimeout, &page, func(c *rest.RESTClient) *rest.Request {
			return paged(c.Get().NamespaceIfScoped(namespace, namespace != "").Resource("rolebindings"), limit, next)
		})
		return page.Items, page.ListMeta, whole(operation, page.ListMeta, err)
	})
}

// namespaces lists the names of all namespaces.
func (a *api) namespaces(ctx context.Context) ([]string, error) {
	const operation = "GET namespaces"
	found, err := list(func(limit int, next string) ([]metav1.PartialObjectMetadata, metav1.ListMeta, error) {
		var page metav1.PartialObjectMetadataList
		err := a.call(ctx, operation, listTimeout, &page, func(c *rest.RESTClient) *rest.Request {
			return paged(c.Get().AbsPath("/api/v1").Resource("namespaces"), limit, next).
				SetHeader("Accept", fmt.Sprintf(onlyNames, "PartialObjectMetadataList"))
		})
		return page.Items, page.ListMeta, whole(operation, page.ListMeta, err)
	})
	names := make([]string, len(found))
	for i, n := range found {
		names[i] = n.Name
	}
	return names, err
}

// list reads all pages. A snapshot that is dropped in between takes what was
// read with it: then the list is read once more, in one piece.
func list[T any](read func(limit int, next string) ([]T, metav1.ListMeta, error)) ([]T, error) {
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

func paged(r *rest.Request, limit int, next string) *rest.Request {
	if limit > 0 {
		r = r.Param("limit", strconv.Itoa(limit))
	}
	if next != "" {
		r = r.Param("continue", next)
	}
	return r
}

// whole refuses an answer that is no list: a list has a resourceVersion. That
// there is no such list is no answer either.
func whole(operation string, meta metav1.ListMeta, err error) error {
	switch {
	case errors.Is(err, fault.ErrNotFound):
		return fmt.Errorf("kubernetes: %s: %w: the server has no such list: check server", operation, fault.ErrUnavailable)
	case err != nil:
		return err
	case meta.ResourceVersion == "":
		return unreadable(operation)
	default:
		return nil
	}
}

// exists reports whether there is an object of that name. A path such as
// "/api/v1" and the resource say where.
func (a *api) exists(ctx context.Context, path, resource, name string) (bool, error) {
	operation := "GET " + resource + " " + name
	var found metav1.PartialObjectMetadata
	err := a.call(ctx, operation, callTimeout, &found, func(c *rest.RESTClient) *rest.Request {
		return c.Get().AbsPath(path).Resource(resource).Name(name).
			SetHeader("Accept", fmt.Sprintf(onlyNames, "PartialObjectMetadata"))
	})
	switch {
	case errors.Is(err, fault.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case found.UID == "":
		return false, unreadable(operation)
	default:
		return true, nil
	}
}

// binding reads one RoleBinding. A missing one is fault.ErrNotFound.
func (a *api) binding(ctx context.Context, namespace, name string) (*rbacv1.RoleBinding, error) {
	return a.one(ctx, operationOn(http.MethodGet, namespace, name), func(c *rest.RESTClient) *rest.Request {
		return c.Get().Namespace(namespace).Resource("rolebindings").Name(name)
	})
}

// apply writes one RoleBinding, and takes over fields that others manage where
// force is true.
func (a *api) apply(ctx context.Context, want intent, force bool) (*rbacv1.RoleBinding, error) {
	operation := operationOn(http.MethodPatch, want.Metadata.Namespace, want.Metadata.Name)
	body, err := json.Marshal(want)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %s: %w: %w", operation, fault.ErrInvalid, err)
	}
	return a.one(ctx, operation, func(c *rest.RESTClient) *rest.Request {
		return c.Patch(types.ApplyPatchType).Namespace(want.Metadata.Namespace).Resource("rolebindings").Name(want.Metadata.Name).
			Param("fieldManager", manager).Param("force", strconv.FormatBool(force)).Body(body)
	})
}

// delete removes one RoleBinding if it is the one that the preconditions say.
func (a *api) delete(ctx context.Context, namespace, name string, only metav1.Preconditions) error {
	operation := operationOn(http.MethodDelete, namespace, name)
	body, err := json.Marshal(metav1.DeleteOptions{
		TypeMeta: metav1.TypeMeta{Kind: "DeleteOptions", APIVersion: "v1"}, Preconditions: &only,
	})
	if err != nil {
		return fmt.Errorf("kubernetes: %s: %w: %w", operation, fault.ErrInvalid, err)
	}
	return a.call(ctx, operation, callTimeout, nil, func(c *rest.RESTClient) *rest.Request {
		return c.Delete().Namespace(namespace).Resource("rolebindings").Name(name).
			SetHeader("Content-Type", runtime.ContentTypeJSON).Body(body)
	})
}

// one makes a call that answers with a RoleBinding.
func (a *api) one(ctx context.Context, operation string, ask func(*rest.RESTClient) *rest.Request) (*rbacv1.RoleBinding, error) {
	var found rbacv1.RoleBinding
	if err := a.call(ctx, operation, callTimeout, &found, ask); err != nil {
		return nil, err
	}
	if found.UID == "" || found.ResourceVersion == "" {
		return nil, unreadable(operation)
	}
	return &found, nil
}

func operationOn(method, namespace, name string) string {
	return method + " rolebinding " + namespace + "/" + name
}
