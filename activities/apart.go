package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

const (
	// apartAfter is how often a shard is read whole before one of its tenants is
	// suspected to be why that fails. What only people can mend is not tried again.
	apartAfter = 5
	// hopeless is how many parts of a shard fail before the platform is taken for
	// the reason, as long as none could be read.
	hopeless = 16
)

// lookAll looks at a shard. Where that fails because of some of its tenants, it
// returns the others, and why each of those cannot be read. An error is one of
// the whole shard.
func (p *Platform) lookAll(ctx context.Context, ids []access.TenantID) ([]*view, map[access.TenantID]error, error) {
	began, err := p.store.Now(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("activities: read the time: %w", err)
	}
	views, err := p.lookGuarded(ctx, ids, began)
	if err == nil || len(ids) < 2 || !permanent(err) && activity.GetInfo(ctx).Attempt < apartAfter {
		return views, nil, err
	}
	var unread map[access.TenantID]error
	if views, unread = p.lookApart(ctx, ids, began); len(views) == 0 {
		return nil, nil, err
	}
	return views, unread, nil
}

// lookGuarded plans tenants together, as far as the guards allow it.
func (p *Platform) lookGuarded(ctx context.Context, ids []access.TenantID, began time.Time) ([]*view, error) {
	_, views, err := p.look(ctx, ids, observing{})
	if err == nil {
		err = p.guard(ctx, views, false)
	}
	for _, v := range views {
		v.began = began
	}
	return views, err
}

// lookApart looks at ever smaller parts of a shard, until each part can be read
// or is a single tenant. It returns no views where the platform is the reason.
func (p *Platform) lookApart(ctx context.Context, ids []access.TenantID, began time.Time) ([]*view, map[access.TenantID]error) {
	var all []*view
	unread := map[access.TenantID]error{}
	parts := [][]access.TenantID{ids[:len(ids)/2], ids[len(ids)/2:]}
	for failed := 0; len(parts) > 0 && ctx.Err() == nil; {
		part := parts[0]
		parts = parts[1:]
		views, err := p.lookGuarded(ctx, part, began)
		switch {
		case err == nil:
			all = append(all, views...)
			continue
		case len(part) == 1:
			unread[part[0]] = err
		default:
			parts = append(parts, part[:len(part)/2], part[len(part)/2:])
		}
		if errors.Is(err, fault.ErrForbidden) {
			continue // the platform was not asked: that says nothing about it
		}
		if failed++; failed >= hopeless && len(all) == 0 {
			return nil, nil
		}
	}
	for id := range unread { // the platform may have come back meanwhile
		if views, err := p.lookGuarded(ctx, []access.TenantID{id}, began); err == nil {
			all = append(all, views...)
			delete(unread, id)
		}
	}
	if ctx.Err() != nil {
		return nil, nil
	}
	return all, unread
}

// setApart stores for each tenant that cannot be read why that is. The others of
// its shard do not wait for it; the next survey looks again.
func (p *Platform) setApart(ctx context.Context, unread map[access.TenantID]error) (Totals, error) {
	var all Totals
	for id, cause := range unread {
		totals, err := p.failAll(ctx, []access.TenantID{id}, cause)
		if err != nil {
			return all, err
		}
		all.Add(totals)
	}
	return all, nil
}
