package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// Forget gives up the objects of a removed tenant that a look at its platform has
// not found any more: they went with the tenant, or somebody deleted them. Those
// that are owned for less than settle stay, as the platform may not show them yet.
// It does nothing for a tenant that is back.
func (l *Ledger) Forget(ctx context.Context, tenant access.TenantID, lost []access.Key, settle time.Duration) error {
	var kinds, groups, roles, names []string
	for _, key := range lost {
		kinds, groups = append(kinds, string(key.Kind)), append(groups, key.Group)
		roles, names = append(roles, key.Role), append(names, key.Name)
	}
	_, err := l.pool.Exec(ctx, `
DELETE FROM owned USING unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS lost(kind, group_name, role, name)
	WHERE owned.tenant = $1 AND owned.kind = lost.kind AND owned.group_name = lost.group_name
		AND owned.role = lost.role AND owned.name = lost.name
		AND owned.since <= now() - $6::double precision * interval '1 second'
		AND EXISTS (SELECT FROM tombstones WHERE tenant = $1)`,
		tenant.String(), kinds, groups, roles, names, settle.Seconds())
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}
