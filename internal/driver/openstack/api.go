package openstack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// wholeList is the deadline of a list. Keystone sends no byte before it has made all of
// it, which takes some 20 s for the assignments of 1,000 tenants.
func wholeList() calls.Deadline {
	return calls.Deadline{Silence: 5 * time.Minute, Total: 5 * time.Minute}
}

// atOnce is how many calls of one read or one step are open together. Keystone
// spends its processor's time on each, so that more only wait there.
const atOnce = 4

// api makes calls to one Keystone.
type api struct{ session *session }

func newAPI(endpoint string, from *credential.Source, limits *budget.Budget) *api {
	client := &http.Client{
		Transport: limits.Transport(calls.Bounded(calls.NewTransport())),
		// A redirect would carry the token to wherever it points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &api{session: &session{http: client, endpoint: endpoint, from: from}}
}

// call makes one call, and once more with a new token where the first one's is
// refused. That is the only retry there is.
func (a *api) call(
	ctx context.Context, operation string, deadline calls.Deadline,
	do func(context.Context, *gophercloud.ServiceClient) error,
) error {
	token, err := a.session.current(ctx)
	if err != nil {
		return err
	}
	once := func(token string) error {
		return do(calls.WithDeadline(ctx, operation, deadline), a.session.client(token))
	}
	err = once(token)
	if gophercloud.ResponseCodeIs(err, http.StatusUnauthorized) {
		if token, err = a.session.renew(ctx, token); err != nil {
			return err
		}
		err = once(token)
	}
	return failure(ctx, operation, err)
}

// get reads one object, or one page of a list, as an object of raw fields.
func (a *api) get(
	ctx context.Context, operation, path string, query url.Values, deadline calls.Deadline,
) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	err := a.call(ctx, operation, deadline, func(ctx context.Context, c *gophercloud.ServiceClient) error {
		address := c.ServiceURL(path)
		if len(query) > 0 {
			address += "?" + query.Encode()
		}
		fields = nil
		response, err := c.Get(ctx, address, &fields, nil) //nolint:bodyclose // gophercloud closes what it decodes
		_, _, err = gophercloud.ParseResponse(response, err)
		return err
	})
	return fields, err
}

// one reads the object at the path. A missing one is fault.ErrNotFound.
func one[T any](ctx context.Context, a *api, path, key string) (T, error) {
	var value T
	operation := "GET /v3/" + path
	fields, err := a.get(ctx, operation, path, nil, calls.Default())
	if err != nil {
		return value, err
	}
	if err := part(operation, fields, key, &value); err != nil {
		return value, err
	}
	return value, whole(operation, fields, "")
}

// list reads the whole list at the path: all of it or an error. A list has no
// page today; one that names a next page is followed there.
func list[T any](ctx context.Context, a *api, path, key string, query url.Values, deadline calls.Deadline) ([]T, error) {
	operation := "GET /v3/" + path
	var all []T
	for seen := map[string]bool{}; ; {
		fields, err := a.get(ctx, operation, path, query, deadline)
		if err != nil {
			return nil, err
		}
		var entries []T
		var links struct {
			Next string `json:"next"`
		}
		if err := errors.Join(part(operation, fields, key, &entries), part(operation, fields, "links", &links)); err != nil {
			return nil, err
		}
		if err := whole(operation, fields, links.Next); err != nil {
			return nil, err
		}
		all = append(all, entries...)
		if links.Next == "" {
			return all, nil
		}
		// Only the query is taken: the address may be one that is seen from inside.
		next, err := url.Parse(links.Next)
		if err != nil || seen[next.RawQuery] {
			return nil, unreadable(operation, "links.next")
		}
		seen[next.RawQuery], query = true, next.Query()
	}
}

// part decodes one field of an answer, which must be there: an answer without
// it, or with null, is not an empty one.
func part(operation string, fields map[string]json.RawMessage, key string, into any) error {
	raw, ok := fields[key]
	if !ok || string(raw) == "null" || json.Unmarshal(raw, into) != nil {
		return unreadable(operation, key)
	}
	return nil
}

// whole refuses an answer that Keystone's list_limit cut short.
func whole(operation string, fields map[string]json.RawMessage, next string) error {
	var truncated bool
	if raw, ok := fields["truncated"]; ok && json.Unmarshal(raw, &truncated) != nil {
		return unreadable(operation, "truncated")
	}
	if truncated && next == "" {
		return fmt.Errorf("openstack: %s: %w: Keystone's list_limit is too low for this cloud", operation, fault.ErrTruncated)
	}
	return nil
}

func unreadable(operation, field string) error {
	return fmt.Errorf("openstack: %s: %w: the answer has no %q that can be read", operation, fault.ErrUnavailable, field)
}

// each calls do for every item, several at once, and starts no more when one has
// failed. It lets those that are under way end: a write that is given up may
// reach Keystone after the write that follows it.
func each[T any](ctx context.Context, items []T, do func(context.Context, int, T) error) error {
	return calls.Each(ctx, atOnce, items, do)
}
