package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/store"
)

const (
	// isolateAfter is how many attempts a shard is compared whole in, before one of its
	// tenants is suspected to be why that fails. A permanent failure is not tried again.
	isolateAfter = 5
	// maxUnread is how many parts of a shard fail before the platform is taken for
	// the reason, as long as none could be read.
	maxUnread = 16
)

// CompareShard plans a shard of a platform's tenants. Where that fails because of some of
// them, it returns the others, and why each of those cannot be read. A failure of the whole
// shard that lasts until a user or an operator acts is one of each tenant; an error is one
// after which the shard should be tried again. The attempt counts from 1. Tenants that were forgotten since they were
// listed are left out. A status that was stored after startedAt, by the database's clock,
// stays when the tenants are recorded.
func (r *Reconciler) CompareShard(
	ctx context.Context, ids []access.TenantID, startedAt time.Time, attempt int,
) ([]*Tenant, map[access.TenantID]error, error) {
	compare := func(ctx context.Context, ids []access.TenantID) ([]*Tenant, error) {
		_, tenants, err := r.Compare(ctx, ids, Options{Resolved: startedAt})
		for _, t := range tenants {
			t.startedAt = startedAt
		}
		return tenants, err
	}
	tenants, err := compare(ctx, ids)
	if errors.Is(err, store.ErrNotFound) {
		if ids, err = r.store.Tenants(ctx, store.TenantFilter{IDs: ids}); err != nil {
			return nil, nil, fmt.Errorf("reconcile: list the tenants that are left: %w", err)
		}
		tenants, err = compare(ctx, ids)
	}
	switch {
	case err == nil:
		return tenants, nil, nil
	case len(ids) > 1 && (fault.Permanent(err) || attempt >= isolateAfter):
		if tenants, unread, ok := isolateTenants(ctx, ids, compare); ok {
			return tenants, unread, nil
		}
	}
	if fault.Permanent(err) && ctx.Err() == nil {
		return nil, failureOfEach(ids, err), nil
	}
	return nil, nil, err
}

// isolateTenants compares those of the tenants that can be compared, and returns why each of
// the others cannot. It reports false if none can, which is a failure of the whole.
func isolateTenants(
	ctx context.Context, ids []access.TenantID, compare func(context.Context, []access.TenantID) ([]*Tenant, error),
) ([]*Tenant, map[access.TenantID]error, bool) {
	tenants, unread, complete := Isolate(ctx, ids, compare)
	if !complete || len(tenants) == 0 {
		return nil, nil, false
	}
	for id := range unread { // the platform may have come back meanwhile
		if retried, err := compare(ctx, []access.TenantID{id}); err == nil {
			tenants = append(tenants, retried...)
			delete(unread, id)
		}
	}
	return tenants, unread, ctx.Err() == nil
}

// failureOfEach returns the failure as one of each tenant.
func failureOfEach(ids []access.TenantID, err error) map[access.TenantID]error {
	unread := make(map[access.TenantID]error, len(ids))
	for _, id := range ids {
		unread[id] = err
	}
	return unread
}

// Isolate reads halves of tenants that cannot be read together, and halves of the parts that
// fail, until each part is read or is a single tenant, whose error it returns. It is not
// complete if it stopped early: the context ended, or so many parts failed, and none was
// read, that the platform is the reason.
func Isolate[T any](
	ctx context.Context, ids []access.TenantID, read func(context.Context, []access.TenantID) ([]T, error),
) (all []T, unread map[access.TenantID]error, complete bool) {
	unread = map[access.TenantID]error{}
	parts := [][]access.TenantID{ids[:len(ids)/2], ids[len(ids)/2:]}
	for failed := 0; len(parts) > 0; {
		part := parts[0]
		parts = parts[1:]
		found, err := read(ctx, part)
		switch {
		case ctx.Err() != nil:
			return all, unread, false
		case err == nil:
			all = append(all, found...)
			continue
		case len(part) == 1:
			unread[part[0]] = err
		default:
			parts = append(parts, part[:len(part)/2], part[len(part)/2:])
		}
		if errors.Is(err, fault.ErrForbidden) {
			continue // the platform was not asked: that says nothing about it
		}
		if failed++; failed >= maxUnread && len(all) == 0 {
			return nil, unread, false
		}
	}
	return all, unread, true
}
