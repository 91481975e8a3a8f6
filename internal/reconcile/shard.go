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
// them, it returns the others, and why each of those cannot be read. An error is one of
// the whole shard. The attempt counts from 1. Tenants that were forgotten since they were
// listed are left out.
func (r *Reconciler) CompareShard(
	ctx context.Context, ids []access.TenantID, attempt int,
) ([]*Tenant, map[access.TenantID]error, error) {
	startedAt, err := r.store.Now(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("reconcile: read the time: %w", err)
	}
	tenants, err := r.compareSince(ctx, ids, startedAt)
	if errors.Is(err, store.ErrNotFound) {
		if ids, err = r.store.Tenants(ctx, store.TenantFilter{IDs: ids}); err != nil {
			return nil, nil, fmt.Errorf("reconcile: list the tenants that are left: %w", err)
		}
		tenants, err = r.compareSince(ctx, ids, startedAt)
	}
	if err == nil || len(ids) < 2 || !Permanent(err) && attempt < isolateAfter {
		return tenants, nil, err
	}
	var unread map[access.TenantID]error
	if tenants, unread = r.compareIsolated(ctx, ids, startedAt); len(tenants) == 0 {
		return nil, nil, err
	}
	return tenants, unread, nil
}

func (r *Reconciler) compareSince(ctx context.Context, ids []access.TenantID, startedAt time.Time) ([]*Tenant, error) {
	_, tenants, err := r.Compare(ctx, ids, Options{})
	for _, t := range tenants {
		t.startedAt = startedAt
	}
	return tenants, err
}

// compareIsolated compares ever smaller parts of a shard, until each part can be read
// or is a single tenant. It returns no tenants where the platform is the reason.
func (r *Reconciler) compareIsolated(
	ctx context.Context, ids []access.TenantID, startedAt time.Time,
) ([]*Tenant, map[access.TenantID]error) {
	var all []*Tenant
	unread := map[access.TenantID]error{}
	parts := [][]access.TenantID{ids[:len(ids)/2], ids[len(ids)/2:]}
	for failed := 0; len(parts) > 0 && ctx.Err() == nil; {
		part := parts[0]
		parts = parts[1:]
		tenants, err := r.compareSince(ctx, part, startedAt)
		switch {
		case err == nil:
			all = append(all, tenants...)
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
			return nil, nil
		}
	}
	for id := range unread { // the platform may have come back meanwhile
		if tenants, err := r.compareSince(ctx, []access.TenantID{id}, startedAt); err == nil {
			all = append(all, tenants...)
			delete(unread, id)
		}
	}
	if ctx.Err() != nil {
		return nil, nil
	}
	return all, unread
}
