package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.temporal.io/sdk/activity"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// maxUnread is how many parts of the tenants fail before the platform is taken for the
// reason, as long as none could be read.
const maxUnread = 16

// look plans the removals of all tenants, from marks read anew. Where some tenants
// are why they cannot be read together, it returns the plans of the others and the
// error: nobody stays in a set because of what is wrong elsewhere.
func (r *revoking) look(ctx context.Context) ([]*revokedTenant, error) {
	r.remarks = slices.DeleteFunc(r.remarks, func(m access.Remark) bool { return m.Code == access.UserRevoked })
	views, err := r.lookAt(ctx, r.tenants)
	if err == nil || len(r.tenants) < 2 || !permanent(err) && activity.GetInfo(ctx).Attempt < 2 {
		return views, err
	}
	read, unread, all := r.lookApart(ctx)
	switch {
	case all && len(unread) == 0:
		return read, nil // it has come back meanwhile
	case len(read) > 0 && len(unread) > 0:
		return read, worstOf(unread)
	default:
		return read, err
	}
}

// lookApart looks at ever smaller parts of the tenants, until each part can be read
// or is a single tenant, which unread tells of. It has not looked at all where it
// takes the platform for the reason.
func (r *revoking) lookApart(ctx context.Context) (read []*revokedTenant, unread []error, all bool) {
	parts := [][]access.TenantID{r.tenants[:len(r.tenants)/2], r.tenants[len(r.tenants)/2:]}
	for failed := 0; len(parts) > 0; {
		part := parts[0]
		views, err := r.lookAt(ctx, part)
		switch {
		case ctx.Err() != nil:
			return read, unread, false
		case err == nil:
			read, parts = append(read, views...), parts[1:]
			continue
		case len(part) == 1:
			unread, parts = append(unread, fmt.Errorf("activities: %s: %w", part[0], err)), parts[1:]
		default:
			parts = append(parts[1:], part[:len(part)/2], part[len(part)/2:])
		}
		if errors.Is(err, fault.ErrForbidden) {
			continue // the platform was not asked: that says nothing about it
		}
		if failed++; failed >= maxUnread && len(read) == 0 {
			return nil, unread, false
		}
	}
	return read, unread, true
}
